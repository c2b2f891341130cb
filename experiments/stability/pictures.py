"""The study's pictures, drawn from its rows."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.config.arms import ARMS as COMPARED
from experiments.config.arms import BASE, LM
from experiments.config.optimizers import OPTIMIZERS
from experiments.report import style
from experiments.stability import analysis
from experiments.stability.arms import ARMS, VARIANTS
from experiments.stability.options import CURVES_OF
from experiments.stability.tasks import TASKS
from experiments.study.record import Pictures

# The arms that a reader may choose from; the controls have their own picture.
REMEDIES = ("base", "lm", "lm_after", "clip", "momo", "momo_cap", "warmup_cosine")
CONTROLS = tuple(arm for arm in COMPARED if arm not in REMEDIES[2:])
CLIPS = ("base", "lm", "lm_after", *(arm for arm in ARMS if arm.startswith("clip")))
AFTER = (BASE.name, "lm_after", "mean_after", "shuffled_after")
LANDSCAPES = (BASE.name, LM.name, *VARIANTS)
# The runs of one seed that show how, next to the plain run.
SHOWN = ("lm", "lm_after", "clip")

CAPTIONS = {
    "collapse.png": "Share of runs that fail, by learning rate. Bands: 95% "
    "intervals (Wilson). Further right is better.",
    "how.png": "One seed at a learning rate at which its plain run fails.",
}


def pictures(runs: pd.DataFrame, curves: pd.DataFrame) -> Pictures:
    """collapse.png and how.png for the plan's first task; others.png for the rest.

    The others show the tasks that have these arms.
    """
    runs = analysis.judged(runs)
    main = runs["task"] == analysis.tasks(runs)[0]
    remedies = runs["arm"].isin(REMEDIES)
    shown: dict[str, tuple[pd.DataFrame, Sequence[str]]] = {
        "collapse.png": (runs[main & remedies], REMEDIES),
        "others.png": (runs[~main & remedies], REMEDIES),
    }
    several = {
        "controls": CONTROLS,
        "controls-after": AFTER,
        "landscapes": LANDSCAPES,
        "clipping": CLIPS,
    }
    for name, arms in several.items():
        telling = runs["arm"].isin(set(arms) - {*REMEDIES})
        of_group = telling.groupby([runs["task"], runs["optimizer"]])
        shown[f"{name}.png"] = runs[of_group.transform("any")], arms
    drawn = {
        name: functools.partial(draw_failures, *of)
        for name, of in shown.items()
        if len(of[0])
    }
    return drawn | {"how.png": functools.partial(draw_how, runs[main], curves)}


def draw_failures(runs: pd.DataFrame, arms: Sequence[str], path: Path) -> None:
    """A panel per task and optimizer: failed runs over rates, with Wilson's band."""
    table = analysis.shares(runs[runs["arm"].isin(arms)])
    panels = [(task, optimizer) for task, optimizer, _ in analysis.groups(runs)]
    with style.picture(path, len(panels), 2, 4.4, 2.9) as axes:
        for axis, (task, optimizer) in zip(axes.flat, panels, strict=False):
            counts = table[(table["task"] == task) & (table["optimizer"] == optimizer)]
            for arm in (name for name in arms if name in set(counts["arm"])):
                part = counts[counts["arm"] == arm].sort_values("rate")
                share = part["failed"] / part["n"]
                percent = (100 * x for x in (share, part["low"], part["high"]))
                look = {"color": ARMS[arm].color, "label": ARMS[arm].label, "ms": 3}
                style.band(axis, part["rate"], *percent, "o-", **look)
            rates = sorted(set(counts["rate"]))
            style.rate_axis(axis, rates[:: -(-len(rates) // 7)])
            axis.set_ylim(-3, 103)
            axis.set_title(f"{TASKS[task].label}, {OPTIMIZERS[optimizer].label}")
            axis.set_xlabel("learning rate")
        for row in axes:
            row[0].set_ylabel("runs that fail, %")


def draw_how(runs: pd.DataFrame, curves: pd.DataFrame, path: Path) -> None:
    """Loss and scale of one seed at a rate at which the plain run fails.

    For each optimizer: the smallest rate at which the plain run of a kept seed
    fails and one of SHOWN does not.
    """
    panels = [panel for group in analysis.groups(runs) if (panel := _telling(*group))]
    if not panels:
        return
    with style.picture(path, 2 * len(panels), len(panels), 4.4, 2.3) as axes:
        for (top, bottom), panel in zip(axes.T, panels, strict=True):
            task, optimizer, seed, rate = panel
            run = curves[
                (curves["task"] == task)
                & (curves["optimizer"] == optimizer)
                & (curves["seed"] == seed)
                & (curves["rate"] == rate)
            ]
            for arm in (BASE.name, *SHOWN):
                part = run[run["arm"] == arm].sort_values("step")
                if part.empty:
                    continue
                color, label = ARMS[arm].color, ARMS[arm].label
                top.plot(part["step"], part["loss"], color=color, label=label)
                if part["scale"].notna().any():
                    bottom.plot(part["step"], part["scale"], color=color)
            top.axhline(np.log(10), color="0.5", lw=0.8, ls=":")
            top.set_ylim(0, 3)
            top.set_title(f"{OPTIMIZERS[optimizer].label} at {rate:g}, seed {seed}")
            bottom.set_ylim(0, 1.05)
            bottom.set_xlabel("step")
        axes[0, 0].set_ylabel("loss (dotted: guessing)")
        axes[1, 0].set_ylabel("LM's scale")


def _telling(
    task: str, optimizer: str, arms: dict[str, pd.DataFrame]
) -> tuple[str, str, int, float] | None:
    """The run to show: (task, optimizer, seed, rate), or None."""
    others = [arms[arm] for arm in SHOWN[:2] if arm in arms]
    if BASE.name not in arms or not others:
        return None
    key = ["rate", "seed"]
    plain = arms[BASE.name].set_index(key)[analysis.PRIMARY].sort_index() == 1
    seeds = sorted(set(arms[BASE.name]["seed"]))[:CURVES_OF]
    saved = ~pd.concat(
        [part.set_index(key)[analysis.PRIMARY].sort_index() == 1 for part in others],
        axis=1,
    ).all(axis=1)
    for rate, seed in plain.index[plain & saved]:
        if seed in seeds:
            return task, optimizer, int(seed), float(rate)
    return None
