"""What the templates of the page on language models name, from the study's rows."""

import functools

from experiments.language import analysis, study
from experiments.study import store
from tests.docs.rows import Interval


@functools.cache
def _compared():
    """By network, optimizer, arm and other."""
    table = analysis.comparisons(runs())
    return table.set_index(["model", "optimizer", "arm", "other"])


@functools.cache
def runs():
    return study.joined(store.read(study.STUDY, study.STUDY.committed), "rows")


@functools.cache
def _arms(model, optimizer):
    of = {(m, o): arms for m, o, arms in analysis.groups(runs())}
    return {arm: analysis.summary(part) for arm, part in of[model, optimizer].items()}


def loss(model, optimizer, arm):
    """On the test text, at the arm's rate."""
    return _arms(model, optimizer)[arm]["best"]


def sensitivity(model, optimizer, arm):
    return _arms(model, optimizer)[arm]["sensitivity"]


def difference(model, optimizer, arm, other):
    """Of test losses."""
    row = _compared().loc[model, optimizer, arm, other]
    return Interval(row["best"], row["best_low"], row["best_high"])


def p(name, model, optimizer, arm, other):
    return _compared().loc[model, optimizer, arm, other][f"{name}_p"]


def verdicts():
    """(network, optimizer, arm, other) to what is said of sensitivity and loss."""
    from experiments.language import tables

    return {
        key: (tables.sensitivity(row).strip("*"), tables.quality(row).strip("*"))
        for key, row in _compared().iterrows()
    }


VALUES = {
    "language_loss": loss,
    "language_sensitivity": sensitivity,
    "language_difference": difference,
    "language_p": p,
}
