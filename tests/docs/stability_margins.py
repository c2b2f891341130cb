"""What the templates of pages name of the studies of stability, from their rows.

A case is a network, an optimizer, and an arm or a comparison.
"""

import functools

import numpy as np

from experiments.stability import analysis, study
from experiments.study import store
from tests.docs.rows import (
    CARD,
    NETWORKS,
    RESULTS,
    SECOND,
    SEVERAL,
    Count,
    Range,
    cell,
    interval,
    numbers,
    runs,
    stability,
)

GROUPS = {
    "all": NETWORKS,
    "four": SECOND,
    "three": SEVERAL,
}


def margin(case):
    return interval(stability(case, "Over plain's"))


def margins(group_and_arm, column="Over plain's"):
    group, arm = group_and_arm.split(" ", 1)
    return Range.of(
        interval(stability(f"{name} {arm}", column)).value for name in GROUPS[group]
    )


def ratio(comparison):
    return interval(stability(comparison, "Ratio of margins"))


def points(comparison):
    return interval(stability(comparison, "Accuracy, points"))


def last_scales(case, rate):
    rows = runs(case, rate, "stability-2", "curves")
    return Range.of(rows["scale"][rows["step"] == rows["step"].max()])


def alike(arm, rate):
    """How many runs end in the same way on a CPU and on the card."""
    both = [runs(f"mlp12-sgd-{arm}", rate, study) for study in ("stability", CARD)]
    cpu, card = (x.sort_values("seed")["collapsed"].to_numpy() for x in both)
    return (cpu == card).sum()


def on_card(arm):
    """Its margin over plain's on the card, with SGD on 12 layers."""
    return interval(cell(CARD, "MLP, 12 layers, SGD", arm, "Over plain's"))


@functools.cache
def second_edition():
    rows = store.read(study.STUDY, RESULTS / "stability-2")
    return analysis.judged(study.joined(rows, "rows"))


def most_failed(arm, level):
    """Of 48 runs with Adam, below a level, at any rate and on any network."""
    runs = second_edition().query("optimizer == 'adam' and arm == @arm")
    return Count(runs.groupby(["task", "rate"])[f"failed{level}"].sum().max())


def others_above(bound):
    """How many runs without LM after the optimizer end with a larger loss."""
    rates = {"rmsprop": "0.01", "adagrad": "0.1"}
    losses = [
        runs(f"mlp12-{optimizer}-{arm}", rate, "stability-2")["loss"]
        for optimizer, rate in rates.items()
        for arm in ("base", "lm")
    ]
    return Count(sum((loss > float(bound)).sum() for loss in losses))


def failed_only(case, rate, bound=None):
    """How many seeds fail with the arm and not without it, or with a larger loss."""
    task, optimizer, arm = case.split("-")
    rows = second_edition()
    rows = rows[np.isclose(rows["rate"], float(rate))].set_index(["task", "optimizer"])
    rows = rows.loc[task, optimizer].set_index("seed")
    ours, plain = (rows[rows["arm"] == x] for x in (arm, "base"))
    only = ours[(ours["failed80"] == 1) & (plain["failed80"] == 0)]
    return len(only) if bound is None else (only["loss"] > float(bound)).sum()


VALUES = {
    "margin": margin,
    "margins": lambda group_and_arm: margins(group_and_arm),
    "margins_95": lambda group_and_arm: margins(group_and_arm, "At 95%"),
    "least": lambda group_and_arm: margins(group_and_arm).low,
    "at_50": lambda case: interval(stability(case, "At 50%")),
    "at_95": lambda case: interval(stability(case, "At 95%")),
    "ratio": ratio,
    "points": points,
    "loss": lambda comparison: -points(comparison),
    "best": lambda arm: numbers(stability(arm, "Test accuracy"))[0],
    "chosen": lambda arm: numbers(stability(arm, "Chosen"))[0],
    "count": lambda arm, rate: Count(stability(arm, rate)),
    "others_above": others_above,
    "failed_only": lambda case, rate: failed_only(case, rate),
    "failed_only_above": failed_only,
    "last_scales": last_scales,
    "alike": alike,
    "on_card": on_card,
    "most_failed": most_failed,
}
