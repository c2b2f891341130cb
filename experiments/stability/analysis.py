"""Results from the rows: which runs train, margins, and LM against each other arm."""

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

# A run fails if its test accuracy is below this share of the reference, in percent.
LEVELS = (80, 50, 95)
FAILED = {level: f"failed{level}" for level in LEVELS}
PRIMARY = FAILED[LEVELS[0]]
RELIABLE = 0.05  # of the seeds fail at most
EQUIVALENT = 1.0  # points of test accuracy
SURE = 0.05
# Each is compared with every other arm of its task and optimizer.
OURS = (LM.name, "lm_after")


def judged(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, and for each of LEVELS whether they fail.

    The reference of a task and an optimizer is the plain optimizer's mean test accuracy
    at its chosen rate, so that which runs fail depends on no other arm. Without plain
    runs, it is that of the best arm.
    """
    runs = runs.copy()
    for _, _, arms in groups(runs):
        known = [arms[BASE.name]] if BASE.name in arms else list(arms.values())
        reference = max(
            _at(part, chosen(part))["test_accuracy"].mean() for part in known
        )
        for part in arms.values():
            accuracy = part["test_accuracy"]
            for level, name in FAILED.items():
                fails = ~(accuracy >= level / 100 * reference)
                runs.loc[part.index, name] = fails.astype(float)
    return runs


def shares(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per case and rate: n, failed, and Wilson's low and high (shares)."""
    rows = []
    for key, part in runs.groupby([*KEYS, "rate"], sort=False):
        count, n = int(part[PRIMARY].sum()), len(part)
        low, high = statistics.wilson(count, n)
        row = {"n": n, "failed": count, "low": low, "high": high}
        rows.append(dict(zip([*KEYS, "rate"], key, strict=True)) | row)
    return pd.DataFrame(rows)


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per case.

    Returns:
      KEYS; margin (the rate at which half of the runs fail), ratio (of margins, to the
      plain optimizer's, at the first level), ratio50 and ratio95 (at the others), each
      a `Margin`; reliable (the largest rate up to which at most RELIABLE fail at each,
      0 if there is none) and accuracy_there (mean, in percent); chosen (rate),
      accuracy, deviation and failed (runs) there.
    """
    rows = []
    for task, optimizer, arms in groups(runs):
        base = arms.get(BASE.name)
        for arm, part in arms.items():
            ratios: dict[str, Any] = dict.fromkeys(_RATIOS.values())
            if base is not None and arm != BASE.name:
                ratios = _ratios(part, base)
            rate, limit = chosen(part), reliable(part)
            at_rate, at_limit = _at(part, rate), _at(part, limit)
            rows.append(
                dict(zip(KEYS, (task, optimizer, arm), strict=True))
                | {"margin": margins.margin(_counts(part, PRIMARY)), **ratios}
                | {
                    "reliable": limit,
                    "accuracy_there": at_limit["test_accuracy"].mean(),
                    "chosen": rate,
                    "accuracy": at_rate["test_accuracy"].mean(),
                    "deviation": at_rate["test_accuracy"].std(),
                    "failed": int(at_rate[PRIMARY].sum()),
                }
            )
    return pd.DataFrame(rows)


def comparisons(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each of OURS and each other arm of a task and an optimizer.

    Returns:
      task, optimizer, arm, other; ratio, ratio50, ratio95 (of margins, each a
      `Margin`); p (of the first, adjusted by Holm over its family: OURS against plain,
      OURS against other arms, or VARIANTS against LM); points, points_low, points_high
      (test accuracy at each one's chosen rate, minus the other's), p_points (adjusted
      likewise) and p_equivalent.
    """
    families: dict[str, list[dict[str, Any]]] = {"plain": [], "others": [], "lm": []}
    for task, optimizer, arms in groups(runs):
        pairs = [
            ("plain" if other == BASE.name else "others", ours, other)
            for number, ours in enumerate(OURS)
            for other in arms
            # Each pair once; `VARIANTS` are compared with LM only.
            if other not in (*OURS[: number + 1], *VARIANTS)
        ]
        pairs += [("lm", arm, LM.name) for arm in arms if arm in VARIANTS]
        for family, ours, other in pairs:
            if ours in arms and other in arms:
                row = {"task": task, "optimizer": optimizer, "arm": ours}
                row |= {"other": other} | _compared(arms[ours], arms[other])
                families[family].append(row)
    tables = [pd.DataFrame(rows) for rows in families.values() if rows]
    for table in tables:
        for name in ("p", "p_points"):
            table[name] = statistics.holm(table[name].to_numpy(float))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _compared(ours: pd.DataFrame, other: pd.DataFrame) -> dict[str, Any]:
    ratios = _ratios(ours, other)
    accuracy = [
        _at(part, chosen(part)).sort_values("seed")["test_accuracy"].to_numpy()
        for part in (ours, other)
    ]
    difference = accuracy[0] - accuracy[1]
    points = statistics.paired(difference)
    return ratios | {
        "p": ratios["ratio"].p,
        "points": points.mean,
        "points_low": points.low,
        "points_high": points.high,
        "p_points": points.p,
        "p_equivalent": statistics.equivalence_p(difference, EQUIVALENT),
    }


_RATIOS = {name: f"ratio{level}" for level, name in FAILED.items()} | {PRIMARY: "ratio"}


def _ratios(ours: pd.DataFrame, other: pd.DataFrame) -> dict[str, margins.Margin]:
    return {
        ratio: margins.ratio(_counts(ours, failed), _counts(other, failed))
        for failed, ratio in _RATIOS.items()
    }


def _counts(part: pd.DataFrame, failed: str) -> margins.Counts:
    rates, places = np.unique(part["rate"], return_inverse=True)
    counts = np.bincount(places, part[failed])
    return margins.Counts(
        tuple(map(int, counts)), len(part) // rates.size, tuple(map(float, rates))
    )


def tasks(runs: pd.DataFrame) -> list[str]:
    """The cases that have runs: the plan's in its order, then others."""
    planned = dict.fromkeys([*(task for task, *_ in PLAN), *TASKS])
    measured = set(runs["task"].unique())
    return [task for task in planned if task in measured]


def groups(runs: pd.DataFrame) -> Iterator[tuple[str, str, dict[str, pd.DataFrame]]]:
    """Each task and optimizer with its arms' rows, in order."""
    for task in tasks(runs):
        for optimizer in OPTIMIZERS:
            some = runs[(runs["task"] == task) & (runs["optimizer"] == optimizer)]
            arms = dict(iter(some.groupby("arm")))
            if arms:
                yield task, optimizer, {arm: arms[arm] for arm in ARMS if arm in arms}


def chosen(part: pd.DataFrame) -> float:
    """The case's rate with the best mean held-out accuracy; the smaller one if tied."""
    return float(part.groupby("rate")["held_out_accuracy"].mean().idxmax())


def reliable(part: pd.DataFrame) -> float:
    """The largest rate, from the chosen one, to which at most RELIABLE fail; or 0."""
    share = part.groupby("rate")[PRIMARY].mean()
    share = share[share.index >= chosen(part)]
    below = share[(share <= RELIABLE).cummin()]
    return float(below.index.max()) if len(below) else 0.0


def _at(part: pd.DataFrame, rate: float) -> pd.DataFrame:
    return part[part["rate"] == rate]
