"""The five sheets that the thesis's script saves, made from run directories.

report.csv has a row per run. The others have a column per run, named after its
settings: report_loss.csv and report_c.csv a row per step, report_avg_loss.csv a row per
window of 20 mini-batches, report_accuracy.csv a row per epoch.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.machine.files import replacing
from experiments.runs.run_directory import WINDOW, Run

ARM_WORDS = {"base": "Original", "lm": "LM"}  # the script's


def write_sheets(runs: Sequence[Run], out: Path) -> None:
    """Write the five sheets of `runs` to the directory `out`."""
    with replacing(out / "report.csv") as part:
        _report(runs).to_csv(part, index=False, encoding="utf-8")
    sheets = {
        "report_loss": [run.steps["loss"] for run in runs],
        "report_avg_loss": [pd.Series(window_averages(run)) for run in runs],
        "report_c": [run.steps["c"] for run in runs],
        "report_accuracy": [run.epochs["test_accuracy"] for run in runs],
    }
    keys = [_key(run) for run in runs]
    for name, columns in sheets.items():
        sheet = pd.concat(columns, axis=1, keys=keys)
        with replacing(out / f"{name}.csv") as part:
            sheet.to_csv(
                part, index_label="index", float_format="%.9g", encoding="utf-8"
            )


def window_averages(run: Run) -> np.ndarray:
    """The mean loss of each complete window of 20 mini-batches, epoch by epoch."""
    averages = []
    for _, losses in run.steps.groupby("epoch")["loss"]:
        whole = len(losses) // WINDOW * WINDOW
        with np.errstate(invalid="ignore"):
            averages.append(losses.to_numpy()[:whole].reshape(-1, WINDOW).mean(axis=1))
    return np.concatenate(averages)


def _report(runs: Sequence[Run]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Optimizer": f"{run.config.optimizer} {_arm(run)}",
            "Seed": run.config.seed,
            "Epochs": run.config.epochs,
            "Learning rate": run.config.learning_rate,
            "Momentum": run.config.momentum,
            "Weight Decay": run.config.weight_decay,
            "LM_f": run.config.f,
            "LM_eps": run.config.eps,
            "LM_C": run.config.c,
            "C_running_min": run.config.c is None,
            "Min Loss": run.steps["loss"].min(),
            "Last Loss": run.steps["loss"].iloc[-1],
            "Last Average Loss": run.result["average_last_loss"],
            "Test Accuracy": run.result["test_accuracy"],
            "Batch Size": run.config.batch_size,
        }
        for run in runs
    )


def _key(run: Run) -> str:
    config = run.config
    settings = (
        config.optimizer,
        _arm(run),
        f"seed{config.seed}",
        config.epochs,
        config.learning_rate,
        config.momentum,
        config.weight_decay,
        config.f,
        config.eps,
        "running_min" if config.c is None else config.c,
    )
    return "_".join(map(str, settings))


def _arm(run: Run) -> str:
    return ARM_WORDS.get(run.config.arm, run.config.arm)
