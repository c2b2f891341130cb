"""The study's pictures, drawn from its rows."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.annealing.problems import problem
from experiments.annealing.rows import PROBLEM, WORDS
from experiments.annealing.tables import summarize
from experiments.report import style
from experiments.study.record import Frames, Pictures
from landmod_jax.annealing import METHODS

COLORS = {
    "langevin": "#000000",
    "improved": "#D55E00",
    "kinetic": "#0072B2",
    "improved_kinetic": "#CC79A7",
    "descent": "#009E73",
    "random": "#999999",
}

CAPTIONS = {
    "success.png": "Chains that found the valley of the global minimum: mean over "
    "tunings, with 95% intervals.",
    "escapes.png": "Mean times over a barrier. Points: measured. Lines: exact means, "
    "where they are known. Dotted: the slope of the clipped critical height.",
}


def pictures(rows: Frames, steps: int) -> Pictures:
    table = summarize(rows["chains"], steps)
    return {
        "curves.png": functools.partial(draw_curves, rows["curves"]),
        "success.png": functools.partial(draw_success, table),
        "escapes.png": functools.partial(draw_escapes, rows["escapes"]),
        "paths.png": functools.partial(draw_paths, rows["paths"]),
    }


def draw_curves(curves: pd.DataFrame, path: Path) -> None:
    """Median gap of the best value so far, quartiles shaded, the target dashed."""
    groups = list(curves.groupby(PROBLEM, sort=False))
    with style.picture(path, len(groups), 4, 2.5, 2.1) as axes:
        for axis, ((name, d), group) in zip(axes.flat, groups):
            for method, part in group.groupby("method", sort=False):
                names = ("evaluations", "median", "quarter", "three_quarters")
                look = {"color": COLORS[method], "label": WORDS[method]}
                style.band(axis, *(part[name] for name in names), **look)
            axis.axhline(problem(name, int(d)).tolerance, color="0.4", lw=0.8, ls="--")
            axis.set_yscale("log")
            axis.set_title(f"{name}, d = {d}", fontsize=9)
            axis.set_xlabel("evaluations")
        for row in axes:
            row[0].set_ylabel("best U − minimum")


def draw_success(table: pd.DataFrame, path: Path) -> None:
    """Mean success rate of each method on each problem over tunings, with interval."""
    problems = list(dict.fromkeys(zip(table["objective"], table["dimension"])))
    methods = [m for m in COLORS if m in set(table["method"])]
    height = 0.42 * len(problems) + 1.2
    with style.picture(path, width=8.5, height=height) as axes:
        axis = axes[0, 0]
        for i, method in enumerate(methods):
            part = table[table["method"] == method].set_index(PROBLEM).loc[problems]
            rate, low, high = (100 * part[x] for x in ("success", "low", "high"))
            place = np.arange(len(problems)) + 0.8 * (i / len(methods) - 0.4)
            look = {"fmt": "o", "color": COLORS[method], "label": WORDS[method]}
            axis.errorbar(rate, place, xerr=[rate - low, high - rate], ms=4, **look)
        axis.set_yticks(
            range(len(problems)), [f"{name}, d = {d}" for name, d in problems]
        )
        axis.invert_yaxis()
        axis.set_xlim(-2, 102)
        axis.set_xlabel("chains that found the global minimum's valley, %")


def draw_escapes(escapes: pd.DataFrame, path: Path) -> None:
    """Mean time over a barrier against its height and against 1 / T, on a log axis.

    Points are measurements. Lines are the exact means, if known, or else connect the
    points; dotted lines have the slope that the clipped critical height predicts.
    """
    sweeps = {"barrier": "barrier E*", "temperature": "1 / T"}
    kinds = {"overdamped": False, "kinetic": True}
    with style.picture(path, 4, 2, 4.2, 2.9) as axes:
        for row, (kind, kinetic) in zip(axes, kinds.items()):
            of_kind = escapes[
                [METHODS[method].kinetic == kinetic for method in escapes["method"]]
            ]
            for axis, (sweep, label) in zip(row, sweeps.items()):
                cases = of_kind[of_kind["sweep"] == sweep].groupby(
                    "share", dropna=False, sort=False
                )
                for i, (share, case) in enumerate(cases):
                    _escape_curve(axis, sweep, share, case, i)
                axis.set_yscale("log")
                axis.set_xlabel(label)
                axis.set_title(kind)
            row[0].set_ylabel("mean time to the other well")


def _escape_curve(axis: Any, sweep: str, share: float, case: Any, index: int) -> None:
    color = ("#000000", *style.OTHER_COLORS)[index]
    x = case["barrier"] if sweep == "barrier" else 1 / case["temperature"]
    label = "plain" if np.isnan(share) else f"modified, c = {share:g} E*"
    error = 1.96 * case["mean_time"] / np.sqrt(case["escapes"].clip(lower=1))
    look = {"fmt": "o", "ms": 4, "color": color, "label": label}
    axis.errorbar(x, case["mean_time"], error, **look)
    exact = case["exact"].notna().all()
    axis.plot(x, case["exact" if exact else "mean_time"], color=color, lw=1)
    if sweep == "temperature":
        # The theory's slope as T goes to 0: the clipped critical height.
        height = case["barrier"].iloc[0] * (1 if np.isnan(share) else share)
        last = case.iloc[x.argmax()]
        line = last["mean_time"] * np.exp(height * (x - x.max()))
        axis.plot(x, line, color=color, lw=0.8, ls=":")


def draw_paths(paths: pd.DataFrame, path: Path) -> None:
    """One chain of each diffusion over the contours of its landscape."""
    objective = problem(paths["objective"].iloc[0], 2).objective
    ends = np.linspace(objective.low, objective.high, 200)
    grid = np.stack(np.meshgrid(ends, ends), -1)
    values = np.asarray(jax.vmap(jax.vmap(objective.function))(jnp.asarray(grid)))
    count = len(METHODS)
    with style.picture(path, count, count, 2.6, 2.7) as axes:
        for axis, method in zip(axes[0], METHODS):
            axis.contourf(ends, ends, values, 12, cmap="Greys", alpha=0.55)
            part = paths[paths["method"] == method]
            colors = np.arange(len(part))
            axis.plot(part["x1"], part["x2"], color=COLORS[method], lw=0.5, alpha=0.6)
            axis.scatter(part["x1"], part["x2"], c=colors, s=3, cmap="viridis")
            axis.plot(*part[["x1", "x2"]].iloc[-1], "*", color="red", ms=9)
            axis.plot(*objective.minimizers[0], "+", color="white", ms=9)
            axis.set_title(WORDS[method], fontsize=8)
            axis.set_aspect("equal")
            axis.grid(False)
