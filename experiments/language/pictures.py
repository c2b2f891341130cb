"""The study's pictures, drawn from its rows."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.language import analysis
from experiments.language.arms import ARMS
from experiments.language.tables import heading
from experiments.report import statistics, style
from experiments.study.record import Pictures

CAPTIONS = {
    "rates.png": "Held-out loss after training, by learning rate. Bands: 95% "
    "intervals of the mean. Lower and flatter is better.",
    "arms.png": "Each arm's sensitivity to the learning rate, and its test loss at "
    "the rate chosen for it, with 95% intervals. Further left is better.",
}


def pictures(runs: pd.DataFrame) -> Pictures:
    return {
        "rates.png": functools.partial(draw_rates, runs),
        "arms.png": functools.partial(draw_arms, runs),
    }


def draw_rates(runs: pd.DataFrame, path: Path) -> None:
    """A panel per network and optimizer: loss over rates, with 95% bands."""
    panels = list(analysis.groups(runs))
    with style.picture(path, len(panels), 2, 4.8, 3.2, legend="") as axes:
        for axis, (model, optimizer, arms) in zip(axes.flat, panels, strict=False):
            for arm, part in arms.items():
                losses = analysis.losses(part, "held_out")
                rates = sorted(set(part["rate"]))
                color, label = ARMS[arm].color, ARMS[arm].label
                look = {"color": color, "label": label, "ms": 3}
                low, high = np.transpose([statistics.interval(x) for x in losses.T])
                style.band(axis, rates, losses.mean(axis=0), low, high, "o-", **look)
            style.rate_axis(axis, rates)
            axis.set_title(heading(model, optimizer))
            axis.set_xlabel("learning rate")
            # Not one for the figure: arms of different panels share colors.
            below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.18)}
            axis.legend(ncols=3, frameon=False, fontsize=8, **below)
        for row in axes:
            row[0].set_ylabel("held-out loss, nats per character")


def draw_arms(runs: pd.DataFrame, path: Path) -> None:
    """A row per network and optimizer: sensitivity and test loss, arm by arm."""
    panels = list(analysis.groups(runs))
    longest = max(len(arms) for *_, arms in panels)
    height = 0.9 + 0.22 * longest
    with style.picture(path, 2 * len(panels), 2, 4.4, height) as axes:
        for row, (model, optimizer, arms) in zip(axes, panels, strict=True):
            summaries = {arm: analysis.summary(part) for arm, part in arms.items()}
            words = (
                "sensitivity to the learning rate",
                "test loss, nats per character",
            )
            for axis, name, label in zip(row, analysis.COMPARED, words, strict=True):
                for place, (arm, values) in enumerate(summaries.items()):
                    ends = values[f"{name}_low"], values[f"{name}_high"]
                    color = ARMS[arm].color
                    axis.plot(ends, [place, place], "-", color=color)
                    axis.plot(values[name], place, "o", ms=5, color=color)
                axis.set_yticks(
                    range(len(summaries)), [ARMS[arm].label for arm in summaries]
                )
                axis.set_ylim(len(summaries) - 0.5, -0.5)
                axis.set_xlabel(f"{label} (less is better)")
                axis.set_title(heading(model, optimizer))
