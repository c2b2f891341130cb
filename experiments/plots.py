"""Curves of a sweep: loss, accuracy, c and scale, each arm with its seeds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments import style
from experiments.config import OPTIMIZERS
from experiments.rundir import WINDOW, Run
from experiments.tables import WORDS, title

# name: (axis label, logarithmic)
QUANTITIES = {
    "loss": ("training loss", True),
    "test_accuracy": ("test accuracy (%)", False),
    "c": ("threshold c", True),
    "scale": ("scale 1 / (f(loss − c) + ε)", False),
}


def draw_curves(runs: Sequence[Run], out: Path) -> list[Path]:
    """Draw a picture per quantity, with axes per optimizer.

    A line is the mean over an arm's seeds, its band the smallest to the largest. Loss,
    c and scale are first averaged over windows of 20 steps.

    Returns:
      The pictures' paths, `out/NAME.png` for the names in QUANTITIES.
    """
    paths = []
    optimizers = [o for o in OPTIMIZERS if any(r.config.optimizer == o for r in runs)]
    for name, (label, logarithmic) in QUANTITIES.items():
        with style.figure(1, len(optimizers)) as (fig, axes):
            for axis, optimizer in zip(axes[0], optimizers):
                part = [run for run in runs if run.config.optimizer == optimizer]
                _draw(axis, part, name)
                axis.set_title(WORDS[optimizer])
                axis.set_xlabel("epoch")
                if logarithmic:
                    axis.set_yscale("log")
            axes[0][0].set_ylabel(label)
            axes[0][-1].legend()
            fig.suptitle(title(runs), fontsize=9)
            paths.append(out / f"{name}.png")
            fig.savefig(paths[-1])
    return paths


def _draw(axis, runs: Sequence[Run], name: str) -> None:
    arms = dict.fromkeys(run.config.arm for run in runs)
    for index, arm in enumerate(arms):
        curves = [_curve(run, name) for run in runs if run.config.arm == arm]
        table = pd.concat(curves, axis=1)
        if table.isna().all(axis=None):  # c and scale of an arm without a landscape
            continue
        colour = style.colour(arm, index)
        axis.plot(table.index, table.mean(axis=1), color=colour, label=arm, lw=1.3)
        axis.fill_between(
            table.index, table.min(axis=1), table.max(axis=1), color=colour, alpha=0.2
        )


def _curve(run: Run, name: str) -> pd.Series:
    if name == "test_accuracy":
        return run.epochs.set_index("epoch")[name]
    values = run.steps[name].to_numpy()
    per_epoch = len(values) / run.epochs["epoch"].iloc[-1]
    whole = max(len(values) // WINDOW, 1)
    windows = np.array_split(values, whole)
    ends = np.cumsum([len(window) for window in windows])
    return pd.Series([window.mean() for window in windows], index=ends / per_epoch)
