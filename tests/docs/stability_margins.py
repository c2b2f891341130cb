"""What the templates of pages name of the studies of stability, from their rows.

A case is a network, an optimizer, and an arm or a comparison.
"""

import functools

from experiments.stability import analysis, study
from experiments.study import store
from tests.docs.rows import (
    CARD,
    NETWORKS,
    RESULTS,
    SECOND,
    Count,
    Range,
    cell,
    interval,
    numbers,
    p,
    runs,
    stability,
)

GROUPS = {
    "all": NETWORKS,
    "measured": SECOND,
    "first": ("mlp24", "conv10"),
    "wider": ("mlp24", "conv10", "cifar10"),
    "helped": (*SECOND, "mlp24"),
}
HARMED = ("first-mlp12 RMSProp LM after", "first-mlp12 Adagrad LM after")


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


def lost_above(case, rate, bound):
    """How many runs collapse with a loss above a bound."""
    rows = runs(case, rate)
    return ((rows["collapsed"] == 1) & (rows["loss"] > float(bound))).sum()


def last_scales(case, rate):
    rows = runs(case, rate, part="curves")
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


VALUES = {
    "margin": margin,
    "margins": lambda group_and_arm: margins(group_and_arm),
    "margins_95": lambda group_and_arm: margins(group_and_arm, "At 95%"),
    "least": lambda group_and_arm: margins(group_and_arm).low,
    "harmed": lambda: Range.of(margin(case).value for case in HARMED),
    "at_95": lambda case: interval(stability(case, "At 95%")),
    "ratio": ratio,
    "points": points,
    "loss": lambda comparison: -points(comparison),
    "p_margin": lambda comparison: p(stability(comparison, "Margin")),
    "best": lambda arm: numbers(stability(arm, "Test accuracy"))[0],
    "chosen": lambda arm: numbers(stability(arm, "Chosen"))[0],
    "count": lambda arm, rate: Count(stability(arm, rate)),
    "lost": lambda case, rate: Count(runs(case, rate)["collapsed"].sum()),
    "lost_above": lost_above,
    "last_scales": last_scales,
    "alike": alike,
    "on_card": on_card,
    "most_failed": most_failed,
}
