"""The study's pictures, drawn from its rows."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.report import style
from experiments.spins import analysis
from experiments.spins.problems import Family, families
from experiments.spins.search import LABELS
from experiments.spins.tunnelling import LANDSCAPES
from experiments.study.record import Pictures

COLORS = dict(zip(LABELS, ("0.35", "#D55E00", "#CC79A7", "#0072B2", "#009E73")))

CAPTIONS = {
    "tunnelling.png": "Mean steps of a Metropolis chain from all spins down to the "
    "mirror image. Lines: exact. Points: measured, with two standard errors.",
    "search.png": "Time to the lowest energy, over that of plain Metropolis chains, "
    "with 95% intervals over instances. Further left is better.",
}
# Few instances have intervals over many orders of magnitude.
SHOWN = (1e-3, 1e3)


def pictures(parts: Mapping[str, pd.DataFrame], quick: bool) -> Pictures:
    """tunnelling.png and search.png, of those parts that have been measured."""
    draw: dict[str, Callable[..., None]] = {
        "tunnelling": draw_tunnelling,
        "search": functools.partial(draw_search, families(quick)),
    }
    return {
        f"{part}.png": functools.partial(draw[part], parts[part])
        for part in draw
        if part in parts
    }


def draw_tunnelling(times: pd.DataFrame, path: Path) -> None:
    """A panel per n: exact means over 1/T, measured ones with 2 standard errors."""
    sizes = sorted(set(times["n"]))
    with style.picture(path, len(sizes), 2, 4.0, 2.7) as axes:
        for axis, n in zip(axes.flat, sizes, strict=False):
            for place, landscape in enumerate(LANDSCAPES):
                case = times[(times["n"] == n) & (times["landscape"] == landscape)]
                case = case.sort_values("temperature")
                color = "0.35" if landscape == "plain" else style.OTHER_COLORS[place]
                beta = 1 / case["temperature"]
                # Side by side, where several means are measured at one temperature.
                beside = beta * (1 + 0.006 * (place - (len(LANDSCAPES) - 1) / 2))
                axis.plot(beta, case["exact"], color=color, lw=1.2, label=landscape)
                look = {"fmt": "o", "ms": 3.5, "color": color}
                axis.errorbar(beside, case["mean"], 2 * case["error"], **look)
            axis.set_yscale("log")
            axis.set_title(f"n = {n:.0f}")
            axis.set_xlabel("1/T")
        for line in axes:
            line[0].set_ylabel("mean steps to\nthe mirror image")


def draw_search(known: Mapping[str, Family], trials: pd.DataFrame, path: Path) -> None:
    """Ratios of times to solution to plain Metropolis's, in sweeps and in seconds."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    summary = analysis.summary(trials)
    names = list(dict.fromkeys(summary["family"]))
    methods = [m for m in LABELS if m in set(summary["method"]) and m != "plain"]
    with style.picture(path, 2, 2, 4.2, 0.75 + 0.62 * len(names)) as axes:
        for axis, (name, words) in zip(
            axes[0], (("", "sweeps"), ("seconds_", "processor time")), strict=True
        ):
            for place, method in enumerate(methods):
                of_method = summary[summary["method"] == method]
                of_method = of_method.set_index("family").loc[names]
                y = -np.arange(len(names)) - 0.14 * (place - (len(methods) - 1) / 2)
                value = of_method[f"{name}ratio"]
                low, high = (of_method[f"{name}{end}"] for end in ("low", "high"))
                look = {"fmt": "o", "color": COLORS[method], "label": LABELS[method]}
                axis.errorbar(value, y, xerr=[value - low, high - value], ms=4, **look)
            axis.axvline(1, color="0.35", lw=0.8)
            axis.set_xscale("log")
            low, high = axis.get_xlim()
            axis.set_xlim(max(low, SHOWN[0]), min(high, SHOWN[1]))
            # Labels such as 3 × 10⁻¹ would run into each other.
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_yticks(-np.arange(len(names)), [known[n].label for n in names])
            axis.set_xlabel(f"{words} to solution, over Metropolis's")
        axes[0, 1].set_yticklabels([])
