"""The study's pictures, drawn from its rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.config.arms import ARMS as COMPARED
from experiments.config.arms import BASE, LM
from experiments.config.optimizers import OPTIMIZERS
from experiments.report import style
from experiments.stability import analysis
from experiments.stability.arms import ARMS, VARIANTS
from experiments.stability.tasks import TASKS

# The arms that a reader may choose from; the controls have their own picture.
REMEDIES = ("base", "lm", "lm_after", "clip", "momo", "momo_cap", "warmup_cosine")
CONTROLS = tuple(arm for arm in COMPARED if arm not in REMEDIES[2:])
CLIPS = ("base", "lm", "lm_after", *(arm for arm in ARMS if arm.startswith("clip")))
LANDSCAPES = (BASE.name, LM.name, *VARIANTS)
# The runs of one seed that show how, next to the plain run.
SHOWN = ("lm", "lm_after", "clip")

CAPTIONS = {
    "collapse.png": "Share of runs that fail, by learning rate. Bands: 95% "
    "intervals (Wilson). Further right is better.",
    "how.png": "One seed at a learning rate at which its plain run fails.",
}


def draw(
    runs: pd.DataFrame, curves: pd.DataFrame, out: Path, drawing: style.Drawing
) -> None:
    """collapse.png and how.png for the plan's first task; others.png for the rest.

    controls.png, landscapes.png and clipping.png show the tasks that have these arms.
    """
    runs = analysis.judged(runs)
    main = runs["task"] == analysis.tasks(runs)[0]
    remedies = runs["arm"].isin(REMEDIES)
    for which, name in ((main, "collapse.png"), (~main, "others.png")):
        if (which & remedies).any():
            drawing.of(draw_failures, runs[which & remedies], REMEDIES, out / name)
    several = {"controls": CONTROLS, "landscapes": LANDSCAPES, "clipping": CLIPS}
    for name, arms in several.items():
        telling = set(arms) - {*REMEDIES}
        some = [g for g in analysis.groups(runs) if telling & set(g[2])]
        if some:
            kept = pd.concat(
                [part for *_, arms_runs in some for part in arms_runs.values()]
            )
            drawing.of(draw_failures, kept, arms, out / f"{name}.png")
    drawing.of(draw_how, runs[main], curves, out / "how.png")


def draw_failures(runs: pd.DataFrame, arms: Sequence[str], path: Path) -> list[Path]:
    """A panel per task and optimizer: failed runs over rates, with Wilson's band."""
    table = analysis.shares(runs[runs["arm"].isin(arms)])
    panels = [(task, optimizer) for task, optimizer, _ in analysis.groups(runs)]
    with style.panels(len(panels), 2, 4.4, 2.9) as (fig, axes):
        for axis, (task, optimizer) in zip(axes.flat, panels, strict=False):
            counts = table[(table["task"] == task) & (table["optimizer"] == optimizer)]
            for arm in (name for name in arms if name in set(counts["arm"])):
                part = counts[counts["arm"] == arm].sort_values("rate")
                share = part["failed"] / part["n"]
                percent = (100 * x for x in (share, part["low"], part["high"]))
                look = {"color": ARMS[arm].color, "label": ARMS[arm].label, "ms": 3}
                style.band(axis, part["rate"], *percent, "o-", **look)
            _rate_axis(axis, counts["rate"])
            axis.set_ylim(-3, 103)
            axis.set_title(f"{TASKS[task].label}, {OPTIMIZERS[optimizer].label}")
            axis.set_xlabel("learning rate")
        for row in axes:
            row[0].set_ylabel("runs that fail, %")
        style.legend(fig)
        return style.save(fig, path)


def _rate_axis(axis: Any, rates: pd.Series) -> None:
    axis.set_xscale("log")
    ticks = sorted(set(rates))[::2]
    axis.set_xticks(ticks, [f"{rate:g}" for rate in ticks])
    axis.minorticks_off()


def draw_how(runs: pd.DataFrame, curves: pd.DataFrame, path: Path) -> list[Path]:
    """Loss and scale of one seed at a rate at which the plain run fails.

    For each optimizer: the smallest rate at which the plain run of a kept seed
    fails and one of SHOWN does not.
    """
    panels = [panel for group in analysis.groups(runs) if (panel := _telling(*group))]
    if not panels:
        return []
    with style.figure(2, len(panels), 4.4, 2.3) as (fig, axes):
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
        style.legend(fig)
        return style.save(fig, path)


def _telling(
    task: str, optimizer: str, arms: dict[str, pd.DataFrame]
) -> tuple[str, str, int, float] | None:
    """The run to show: (task, optimizer, seed, rate), or None."""
    from experiments.stability.rows import CURVES_OF

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
