"""Results from the rows: collapse, margins, and LM against each other arm."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from experiments.config.arms import BASE, LM
from experiments.config.optimizers import OPTIMIZERS
from experiments.report import statistics
from experiments.stability import margins
from experiments.stability.arms import ARMS, VARIANTS
from experiments.stability.options import KEYS, PLAN
from experiments.stability.tasks import TASKS

EQUIVALENT = 1.0  # points of test accuracy
SURE = 0.05
# Each is compared with every other arm of its task and optimizer.
OURS = (LM.name, "lm_after")
_GROUP = ["task", "optimizer"]


def collapse(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per case and rate: n, collapsed, and Wilson's low and high (shares)."""
    rows = []
    for key, part in runs.groupby([*KEYS, "rate"], sort=False):
        count, n = int(part["collapsed"].sum()), len(part)
        low, high = statistics.wilson(count, n)
        row = {"n": n, "collapsed": count, "low": low, "high": high}
        rows.append(dict(zip([*KEYS, "rate"], key, strict=True)) | row)
    return pd.DataFrame(rows)


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per case.

    Returns:
      KEYS, n (seeds), margin, low, high, ratio, ratio_low, ratio_high, ratio_bound (to
      the plain optimizer's; NaN for itself and without it), chosen (rate), accuracy and
      deviation (on the test images at that rate, in percent), collapsed (runs there).
    """
    rows = []
    for task, optimizer, arms in groups(runs):
        base = arms.get(BASE.name)
        for arm, part in arms.items():
            table, rates = grid(part, "collapsed")
            margin = margins.margin(table, rates)
            against = margins.Margin(np.nan, np.nan, np.nan)
            if base is not None and arm != BASE.name:
                against = margins.ratio(table, grid(base, "collapsed")[0], rates)
            rate = chosen(part)
            at_rate = part[part["rate"] == rate]
            rows.append(
                dict(zip(KEYS, (task, optimizer, arm), strict=True))
                | {
                    "n": len(table),
                    "margin": margin.value,
                    "low": margin.low,
                    "high": margin.high,
                    "ratio": against.value,
                    "ratio_low": against.low,
                    "ratio_high": against.high,
                    "ratio_bound": against.bound,
                    "chosen": rate,
                    "accuracy": at_rate["test_accuracy"].mean(),
                    "deviation": at_rate["test_accuracy"].std(),
                    "collapsed": int(at_rate["collapsed"].sum()),
                }
            )
    return pd.DataFrame(rows)


def comparisons(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each of OURS and each other arm of a task and an optimizer.

    `variants` compares variants of LM, which are a separate family.

    Returns:
      task, optimizer, arm, other, n (pairs); ratio, ratio_low, ratio_high, ratio_bound
      (of margins); collapse (share of the rates at which a seed collapses, minus the
      other's), p_collapse; points, points_low, points_high (test accuracy at each one's
      chosen rate, minus the other's), p_points, p_equivalent, pairs (for 80% power at
      EQUIVALENT points). p_collapse and p_points are adjusted by Holm, each over all.
    """
    rows = []
    for task, optimizer, arms in groups(runs):
        for ours in (name for name in OURS if name in arms):
            for other in (name for name in arms if name != ours):
                if other in OURS[: OURS.index(ours)] or other in VARIANTS:
                    continue  # already compared the other way, or by `variants`
                row = {"task": task, "optimizer": optimizer, "arm": ours}
                rows.append(row | {"other": other} | _compared(arms[ours], arms[other]))
    return _adjusted(rows)


def variants(runs: pd.DataFrame) -> pd.DataFrame:
    """Like `comparisons`: LM with another shape or threshold against LM's defaults."""
    return _adjusted(
        [
            {"task": task, "optimizer": optimizer, "arm": arm, "other": LM.name}
            | _compared(arms[arm], arms[LM.name])
            for task, optimizer, arms in groups(runs)
            if LM.name in arms
            for arm in arms
            if arm in VARIANTS
        ]
    )


def _adjusted(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """With the p-values adjusted by Holm over all rows."""
    table = pd.DataFrame(rows)
    for name in ("p_collapse", "p_points") if len(table) else ():
        table[name] = statistics.holm(table[name].to_numpy(float))
    return table


def _compared(ours: pd.DataFrame, other: pd.DataFrame) -> dict[str, Any]:
    mine, rates = grid(ours, "collapsed")
    theirs, _ = grid(other, "collapsed")
    ratio = margins.ratio(mine, theirs, rates)
    shares = statistics.paired(mine.mean(axis=1) - theirs.mean(axis=1))
    accuracy = [
        part[part["rate"] == chosen(part)].sort_values("seed")["test_accuracy"]
        for part in (ours, other)
    ]
    difference = accuracy[0].to_numpy() - accuracy[1].to_numpy()
    points = statistics.paired(difference)
    return {
        "n": points.n,
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "ratio_bound": ratio.bound,
        "collapse": shares.mean,
        "p_collapse": shares.p,
        "points": points.mean,
        "points_low": points.low,
        "points_high": points.high,
        "p_points": points.p,
        "p_equivalent": statistics.equivalence_p(difference, EQUIVALENT),
        "pairs": statistics.pairs_needed(float(difference.std(ddof=1)), EQUIVALENT)
        if points.n > 1
        else None,
    }


def tasks(runs: pd.DataFrame) -> list[str]:
    """The cases that have runs: the plan's in its order, then others."""
    planned = dict.fromkeys([*(task for task, *_ in PLAN), *TASKS])
    return [task for task in planned if task in set(runs["task"])]


def groups(runs: pd.DataFrame) -> Iterator[tuple[str, str, dict[str, pd.DataFrame]]]:
    """Each task and optimizer with its arms' rows, in order."""
    names = (tasks(runs), OPTIMIZERS, ARMS)
    order = {name: i for known in names for i, name in enumerate(known)}
    by_key: dict[Any, Any] = dict(iter(runs.groupby(_GROUP, sort=False)))
    for task, optimizer in sorted(
        by_key, key=lambda key: [order[name] for name in key]
    ):
        arms = dict(iter(by_key[task, optimizer].groupby("arm")))
        yield (
            task,
            optimizer,
            {arm: arms[arm] for arm in sorted(arms, key=lambda arm: order[arm])},
        )


def grid(part: pd.DataFrame, column: str) -> tuple[np.ndarray, list[float]]:
    """A case's column as (seeds, rates), and the rates."""
    table = part.pivot(index="seed", columns="rate", values=column).sort_index(axis=1)
    return table.to_numpy(), [float(rate) for rate in table.columns]


def chosen(part: pd.DataFrame) -> float:
    """The case's rate with the best mean held-out accuracy; the smaller one if tied."""
    return float(part.groupby("rate")["held_out_accuracy"].mean().idxmax())
