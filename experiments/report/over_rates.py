"""How the learning rate affects an arm, and how soon a run reaches an accuracy."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.report import groups
from experiments.runs.run_directory import Run


class Reached(NamedTuple):
    """When a row's runs reach an accuracy: medians over its seeds.

    A run that does not reach it counts as infinitely late.
    """

    runs: int  # the runs that reach it
    epochs: float
    steps: float


def spreads(rows: Mapping[groups.Row, Sequence[Run]]) -> dict[groups.Row, float]:
    """The sensitivity to the learning rate, for each row whose arm has several rates.

    It is the best minus the worst mean test accuracy over the arm's learning rates, in
    points, over the seeds that all of them share; NaN if they share none.
    """
    arms: dict[tuple, list[groups.Row]] = {}
    for row in rows:
        rest = tuple(s for s in row.settings if s[0] != groups.RATE)
        arms.setdefault((row.optimizer, row.arm, rest), []).append(row)
    return {
        row: _spread([rows[other] for other in group])
        for group in arms.values()
        if len(group) > 1
        for row in group
    }


def _spread(by_rate: Iterable[Sequence[Run]]) -> float:
    tables = [
        {run.config.seed: run.result["test_accuracy"] for run in runs}
        for runs in by_rate
    ]
    seeds = set(tables[0]).intersection(*tables)
    if not seeds:
        return math.nan
    means = [np.mean([table[seed] for seed in sorted(seeds)]) for table in tables]
    return float(max(means) - min(means))


def reached(runs: Sequence[Run], target: float) -> Reached:
    """When runs first reach a test accuracy of at least `target` percent."""
    epochs, steps = [], []
    for run in runs:
        epochs_above = run.epochs["epoch"][run.epochs["test_accuracy"] >= target]
        first = math.inf if epochs_above.empty else float(epochs_above.iloc[0])
        epochs.append(first)
        upto = run.steps["epoch"] <= first
        steps.append(math.inf if epochs_above.empty else float(upto.sum()))
    count = int(np.isfinite(epochs).sum())
    return Reached(count, float(np.median(epochs)), float(np.median(steps)))


def in_words(when: Reached, n: int) -> str:
    """Such as "3 (135 steps)", "3 (135 steps), not reached 1/5", "not reached"."""
    if not when.runs:
        return "not reached"
    missed = f"not reached {n - when.runs}/{n}" if when.runs < n else ""
    if math.isinf(when.epochs):
        return missed
    shown = f"{when.epochs:g} ({when.steps:,.10g} steps)"
    return f"{shown}, {missed}" if missed else shown
