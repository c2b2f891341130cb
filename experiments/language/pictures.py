"""The study's pictures, drawn from its rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.language import analysis
from experiments.language.arms import ARMS
from experiments.language.tables import heading
from experiments.report import statistics, style

CAPTIONS = {
    "rates.png": "Held-out loss after training, by learning rate. Bands: 95% "
    "intervals of the mean. Lower and flatter is better.",
    "arms.png": "Each arm's sensitivity to the learning rate, and its test loss at "
    "the rate chosen for it, with 95% intervals. Further left is better.",
}


def draw(runs: pd.DataFrame, out: Path, drawing: style.Drawing) -> None:
    """rates.png and arms.png."""
    drawing.of(draw_rates, runs, out / "rates.png")
    drawing.of(draw_arms, runs, out / "arms.png")


def draw_rates(runs: pd.DataFrame, path: Path) -> Sequence[Path]:
    """A panel per network and optimizer: loss over rates, with 95% bands."""
    panels = list(analysis.groups(runs))
    columns = min(2, len(panels))
    with style.figure(-(-len(panels) // columns), columns, 4.8, 3.2) as (fig, axes):
        for axis, (model, optimizer, arms) in zip(axes.flat, panels, strict=False):
            for arm, part in arms.items():
                losses = analysis.losses(part, "held_out")
                rates = sorted(set(part["rate"]))
                color, label = ARMS[arm].color, ARMS[arm].label
                mean = losses.mean(axis=0)
                axis.plot(rates, mean, "o-", ms=3, color=color, label=label)
                low, high = np.transpose([statistics.interval(x) for x in losses.T])
                axis.fill_between(rates, low, high, color=color, alpha=0.13, lw=0)
            _rate_axis(axis, rates)
            axis.set_title(heading(model, optimizer))
            axis.set_xlabel("learning rate")
            # Not one for the figure: arms of different panels share colors.
            below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.18)}
            axis.legend(ncols=3, frameon=False, fontsize=8, **below)
        for axis in axes.flat[len(panels) :]:
            axis.set_axis_off()
        for row in axes:
            row[0].set_ylabel("held-out loss, nats per character")
        style.save(fig, path)
    return [path]


def _rate_axis(axis: Any, rates: Sequence[float]) -> None:
    axis.set_xscale("log")
    axis.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axis.minorticks_off()


def draw_arms(runs: pd.DataFrame, path: Path) -> Sequence[Path]:
    """A row per network and optimizer: sensitivity and test loss, arm by arm."""
    panels = list(analysis.groups(runs))
    longest = max(len(arms) for *_, arms in panels)
    height = 0.9 + 0.22 * longest
    with style.figure(len(panels), 2, 4.4, height) as (fig, axes):
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
        style.save(fig, path)
    return [path]
