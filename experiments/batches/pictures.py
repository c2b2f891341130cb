"""The study's pictures, drawn from its rows."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.batches import analysis
from experiments.batches.networks import NETWORKS
from experiments.batches.options import FAULTS, RARE, STEPS
from experiments.batches.remedies import OURS, REMEDIES, RIVALS
from experiments.config.optimizers import OPTIMIZERS
from experiments.report import style
from experiments.study.record import Pictures

CAPTIONS = {
    "frontier.png": "Further up is better protected, further right forgets less. A "
    "line per remedy over its strength; large marks are the defaults.",
    "shift.png": "Training loss, when labels are permuted half-way.",
}
_TICKS = (10.0, 50.0, 80.0, 90.0, 95.0, 97.0, 98.0, 99.0)


def pictures(runs: pd.DataFrame, curves: pd.DataFrame) -> Pictures:
    """frontier.png for the plan's first network, others.png for the rest; shift.png."""
    panels = [panel for panel in analysis.groups(runs) if analysis.frontier(panel[-1])]
    first = next(iter(NETWORKS))
    shown = {
        "frontier.png": [panel for panel in panels if panel[0] == first],
        "others.png": [panel for panel in panels if panel[0] != first],
    }
    drawn = {
        name: functools.partial(draw_frontier, of) for name, of in shown.items() if of
    }
    if len(curves):
        drawn["shift.png"] = functools.partial(draw_shift, curves)
    return drawn


def draw_frontier(panels: list[Any], path: Path) -> None:
    """One panel below the other: kept under faults against kept on rare classes."""
    with style.picture(path, len(panels), 1, 4.6, 3.6) as axes:
        for axis, (network, optimizer, of_group) in zip(
            axes[:, 0], panels, strict=True
        ):
            faults, rare = (
                analysis.accuracies(of_group, x).mean(axis=1) for x in (FAULTS, RARE)
            )
            plain = ("base", 0.0)
            for arm in (*RIVALS, *OURS):
                strengths = analysis.strengths(of_group, arm)
                if not strengths:
                    continue
                remedy = REMEDIES[arm]
                keys = pd.MultiIndex.from_tuples(
                    [*((arm, x) for x in strengths), plain]
                )
                x, y = (table.reindex(keys) for table in (rare, faults))
                wide = 2.2 if arm in OURS else 1.2
                axis.plot(x, y, "-", lw=wide, color=remedy.color, label=remedy.label)
                axis.plot(x[:-1], y[:-1], "o", ms=3, color=remedy.color)
                default = arm, remedy.default
                axis.plot(rare[default], faults[default], "o", ms=8, color=remedy.color)
            mark = {"marker": "*", "ms": 13, "ls": "", "color": REMEDIES["base"].color}
            axis.plot(rare[plain], faults[plain], label="plain", zorder=5, **mark)
            arrow = {"arrowstyle": "->", "color": "0.4"}
            places = (1, 1), (0.87, 0.9), "axes fraction", "axes fraction"
            axis.annotate("better", *places, arrow, color="0.4")
            _error_axis(axis)
            axis.set_title(f"{NETWORKS[network].label}, {OPTIMIZERS[optimizer].label}")
            axis.set_ylabel("accuracy with 2% bad batches, %")
        axes[-1, 0].set_xlabel("accuracy on classes that come in 3% of batches, %")


def _error_axis(axis: Any) -> None:
    """Accuracies spaced by the logarithm of the error."""
    low, high = axis.get_ylim()
    axis.set_yscale(
        "function",
        functions=(
            lambda y: -np.log10(np.maximum(100.2 - np.asarray(y), 1e-3)),
            lambda z: 100.2 - 10 ** -np.asarray(z),
        ),
    )
    low, high = max(low, 0), min(high, 99.6)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    if len(ticks) < 3:
        ticks = [x / 2 for x in range(180, 200) if low <= x / 2 <= high]
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_ylim(low, high)
    axis.minorticks_off()


def draw_shift(curves: pd.DataFrame, path: Path) -> None:
    """Training loss over steps at the default strengths."""
    panels = list(analysis.groups(curves))
    with style.picture(path, len(panels), 1, 4.6, 2.6) as axes:
        for axis, (network, optimizer, of_group) in zip(
            axes[:, 0], panels, strict=True
        ):
            for arm, remedy in REMEDIES.items():
                own = of_group[
                    (of_group["arm"] == arm) & (of_group["strength"] == remedy.default)
                ].sort_values("step")
                if own.empty:
                    continue
                dashed = "--" if remedy.only_shift else "-"
                axis.plot(
                    own["step"], own["loss"], dashed, lw=1.4, color=remedy.color,
                    label=remedy.label,
                )  # fmt: skip
            axis.axvline(STEPS // 2, color="0.5", lw=0.8, ls=":")
            axis.set_yscale("log")
            axis.set_title(f"{NETWORKS[network].label}, {OPTIMIZERS[optimizer].label}")
            axis.set_ylabel("training loss")
        axes[-1, 0].set_xlabel("step (dotted: labels are permuted)")
