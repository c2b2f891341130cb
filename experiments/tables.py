"""The table of figure 3.5: each optimizer alone and behind LM, over paired seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.config import OPTIMIZERS
from experiments.rundir import Run, rows

WORDS = {"sgd": "SGD", "adam": "Adam", "adagrad": "Adagrad", "rmsprop": "RMSProp"}
HEADER = (
    "Optimizer",
    "Average Last Loss",
    "Average Test Accuracy",
    "Did LM overperform?",
    "n",
)


def summarise(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per optimizer and arm, over its seeds.

    Returns:
      Columns optimizer, arm, n, loss_mean, loss_sd, accuracy_mean, accuracy_sd (per
      cent), collapsed, diverged, and for the arms other than base the paired
      difference to it: pairs, difference, difference_sd. A standard deviation is the
      sample's (n - 1), NaN for one run.
    """
    runs_by_row = rows(runs)
    summary = []
    for optimizer in OPTIMIZERS:
        of_optimizer = runs_by_row[runs_by_row["optimizer"] == optimizer]
        accuracy = of_optimizer.pivot_table(
            index="seed", columns="arm", values="test_accuracy"
        )
        for arm in dict.fromkeys(of_optimizer["arm"]):
            part = of_optimizer[of_optimizer["arm"] == arm]
            row = {
                "optimizer": optimizer,
                "arm": arm,
                "n": len(part),
                "loss_mean": part["average_last_loss"].mean(),
                "loss_sd": part["average_last_loss"].std(),
                "accuracy_mean": part["test_accuracy"].mean(),
                "accuracy_sd": part["test_accuracy"].std(),
                "collapsed": int(part["collapsed"].sum()),
                "diverged": int((part["status"] == "diverged").sum()),
            }
            if arm != "base" and "base" in accuracy:
                difference = (accuracy[arm] - accuracy["base"]).dropna()
                row["pairs"] = len(difference)
                row["difference"] = difference.mean()
                row["difference_sd"] = difference.std()
            summary.append(row)
    return pd.DataFrame(summary)


def cells(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """The table's rows as text, in the order of HEADER."""
    return [
        (
            _name(row.optimizer, row.arm),
            _mean_sd(row.loss_mean, row.loss_sd, ".4g", ".2g"),
            _mean_sd(row.accuracy_mean, row.accuracy_sd, ".2f", ".2f") + _mishaps(row),
            _verdict(row),
            str(row.n),
        )
        for row in summarise(runs).itertuples()
    ]


def title(runs: Sequence[Run]) -> str:
    """What was run, with everything that scales it down."""
    config = runs[0].config
    epochs = sorted({run.config.epochs for run in runs})
    seeds = sorted({run.config.seed for run in runs})
    parts = [
        f"{config.model} on {config.dataset}",
        f"{' or '.join(map(str, epochs))} epoch{'' if epochs == [1] else 's'}",
        f"seeds {', '.join(map(str, seeds))}",
    ]
    if config.limit_train is not None:
        parts.append(f"{config.limit_train:,} training images")
    if config.precision != "float32":
        parts.append(config.precision)
    if config.eval_mode != "eval":
        parts.append("tested in training mode")
    return ", ".join(parts)


def markdown(runs: Sequence[Run]) -> str:
    """The table with its title and a note on what the figures are."""
    body = [HEADER, ("---",) * len(HEADER), *cells(runs)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in body)
    return f"**{title(runs)}**\n\n{table}\n\n{NOTE}\n"


NOTE = (
    "Mean ± standard deviation over the n seeds. Average last loss: the mean over the "
    "last complete window of 20 mini-batches. The difference is LM's mean test "
    "accuracy less the plain optimizer's over the same seeds, in percentage points; "
    "three pairs or fewer cannot tell a small one from chance."
)


def print_table(runs: Sequence[Run]) -> None:
    """Show the table in the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title(runs), caption=NOTE)
    for name in HEADER:
        table.add_column(name)
    for row in cells(runs):
        table.add_row(*row)
    console = Console()
    # A pipe has no width of its own: keep the columns whole.
    Console(width=None if console.is_terminal else 110).print(table)


def _name(optimizer: str, arm: str) -> str:
    word = WORDS[optimizer]
    return word if arm == "base" else f"{word}-{'LM' if arm == 'lm' else arm}"


def _mean_sd(mean: float, sd: float, mean_format: str, sd_format: str) -> str:
    text = format(mean, mean_format)
    return text if np.isnan(sd) else f"{text} ± {sd:{sd_format}}"


def _mishaps(row) -> str:
    words = [
        f"{count} {word}"
        for word, count in (("collapsed", row.collapsed), ("diverged", row.diverged))
        if count
    ]
    return f" ({', '.join(words)})" if words else ""


def _verdict(row) -> str:
    difference = getattr(row, "difference", np.nan)
    if np.isnan(difference):
        return ""
    word = "YES" if difference > 0 else "NO"
    return f"{word} ({_mean_sd(difference, row.difference_sd, '+.2f', '.2f')})"
