"""Pictures of runs: curves with a band over the seeds, and the gain of each arm."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.config.arms import ARMS
from experiments.config.optimizers import OPTIMIZERS
from experiments.report import groups, style
from experiments.report.tables import summarize, title
from experiments.runs.run_directory import WINDOW, Run

# name: (axis label, logarithmic)
QUANTITIES = {
    "loss": ("training loss", True),
    "test_accuracy": ("test accuracy (%)", False),
    "c": ("threshold c", True),
    "scale": ("scale 1 / (f(loss − c) + ε)", False),
}

_LINES = ("-", "--", ":", "-.")


def draw_curves(
    runs: Sequence[Run], out: Path, suffix: str = "png", number: int = 1
) -> list[Path]:
    """Draw a picture per quantity, with axes per network and optimizer.

    A line is the mean over a row's seeds, and its band spans the smallest to the
    largest. Loss, c and scale are first averaged over windows of 20 steps. Non-finite
    values are left out. c and scale have no picture if no run has them.

    Returns:
      The pictures' paths, `out/NAME.SUFFIX` for the names in QUANTITIES;
      `out/NAME-NUMBER.SUFFIX` from the second on.
    """
    paths = []
    panels: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(
        runs, key=lambda run: list(OPTIMIZERS).index(run.config.optimizer)
    ):
        panels.setdefault((run.config.model, run.config.optimizer), []).append(run)
    for name, (label, _) in QUANTITIES.items():
        if name in ("c", "scale") and not any(
            np.isfinite(run.steps[name]).any() for run in runs
        ):
            continue
        # A single panel is wider: its title and legend are as long as four panels'.
        width = 4.8 if len(panels) == 1 else 3.2
        ending = f"-{number}" if number > 1 else ""
        paths.append(out / f"{name}{ending}.{suffix}")
        count = len(panels)
        with style.picture(paths[-1], count, count, width, 2.9) as axes:
            for axis, ((model, optimizer), part) in zip(axes[0], panels.items()):
                draw_quantity(axis, part, name)
                axis.set_title(
                    OPTIMIZERS[optimizer].label
                    if len({key[0] for key in panels}) == 1
                    else style.words(f"{model}, {OPTIMIZERS[optimizer].label}")
                )
            axes[0][0].set_ylabel(label)
            style.heading(axes, title(runs))
    return paths


def draw_quantity(axis, runs: Sequence[Run], name: str) -> None:
    """Draw the curves of one of QUANTITIES, one per row of the table, over the epochs.

    The axis is logarithmic if QUANTITIES says so and there are positive values.
    """
    rows = groups.by_row(runs)
    apart = groups.apart(rows)
    arms = [row.arm for row in rows]
    positive = False
    for place, (row, of_row) in enumerate(rows.items()):
        table = pd.concat([_curve(run, name) for run in of_row], axis=1)
        if table.isna().all(axis=None):  # c and scale of an arm without a landscape
            continue
        positive |= bool((table > 0).any(axis=None))
        # The rows of an arm share its color and differ in line style.
        kind = _LINES[arms[:place].count(row.arm) % len(_LINES)]
        label = ARMS[row.arm].label + (f" ({apart[row]})" if apart[row] else "")
        marker = "o" if len(table) == 1 else kind
        mean, low, high = table.mean(axis=1), table.min(axis=1), table.max(axis=1)
        look = {"color": ARMS[row.arm].color, "label": style.words(label), "lw": 1.3}
        style.band(axis, table.index, mean, low, high, marker, **look)
    if QUANTITIES[name][1] and positive:
        axis.set_yscale("log")
    axis.set_xlabel("epoch")


def _curve(run: Run, name: str) -> pd.Series:
    if name == "test_accuracy":
        return run.epochs.set_index("epoch")[name]
    values = run.steps[name].to_numpy()
    per_epoch = len(values) / run.epochs["epoch"].iloc[-1]
    whole = max(len(values) // WINDOW, 1)
    windows = np.array_split(values, whole)
    ends = np.cumsum([len(window) for window in windows])
    with np.errstate(invalid="ignore"):
        means = np.array([window.mean() for window in windows])
    return pd.Series(
        np.where(np.isfinite(means), means, np.nan), index=ends / per_epoch
    )


def draw_effects(tables: Sequence[Sequence[Run]], path: Path) -> None:
    """Draw what each arm gained over the plain optimizer, with its 95% interval.

    Nothing is drawn if no arm can be compared.

    Args:
      tables: the runs of each table. A row of the picture is a row of a table; a cross
        is one seed's difference, a dot their mean. Runs that stop above chance are left
        out, because their accuracy shows only when they stopped.
    """
    rows = [
        row | {"epochs": runs[0].config.epochs}
        for runs in tables
        if not runs[0].config.until_above_chance
        for row in summarize(runs).to_dict("records")
        if not math.isnan(row.get("difference", math.nan))
    ]
    if not rows:
        return
    height = 0.9 + 0.27 * len(rows)
    with style.picture(path, width=6.4, height=height, legend="") as axes:
        axis = axes[0][0]
        labels = []
        for place, row in enumerate(rows):
            color = ARMS[row["arm"]].color
            differences = row["differences"]
            axis.plot(
                differences,
                [place] * len(differences),
                "x",
                color=color,
                ms=4,
                alpha=0.6,
            )
            if not math.isnan(row["low"]):
                axis.plot([row["low"], row["high"]], [place] * 2, color=color, lw=1.5)
            axis.plot(row["difference"], place, "o", color=color, ms=5)
            of = f"{row['model']} {row['dataset']}, {row['epochs']} epochs"
            labels.append(style.words(f"{of}: {row['name']}  (n = {row['n']})"))
        axis.set_yticks(range(len(rows)), labels)
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.axvline(0, color="black", lw=0.8)
        # An interval from three seeds may be wider than any accuracy: show the seeds.
        seen = [abs(value) for row in rows for value in row["differences"]]
        reach = min(2.5 * max(seen, default=1.0), 100) or 1.0
        axis.set_xlim(-reach, reach)
        axis.set_xlabel(
            "accuracy minus the plain optimizer's (points)\n"
            "bar: 95% interval of the mean, cut at the frame"
        )
