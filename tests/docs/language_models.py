"""What the templates of the page on language models name, from the study's rows."""

import functools

from experiments.language import analysis, rows, study
from experiments.study import store
from tests.docs.rows import Interval, Range


@functools.cache
def _compared():
    """By network, optimizer, arm and other."""
    table = analysis.comparisons(runs())
    return table.set_index(["model", "optimizer", "arm", "other"])


@functools.cache
def runs():
    return rows.joined(store.read(study.STUDY, study.STUDY.committed), "rows")


@functools.cache
def _arms(model, optimizer):
    of = {(m, o): arms for m, o, arms in analysis.groups(runs())}
    return {arm: analysis.summary(part) for arm, part in of[model, optimizer].items()}


def loss(model, optimizer, arm):
    """On the test text, at the arm's rate."""
    return _arms(model, optimizer)[arm]["best"]


def losses(model, optimizer):
    """Of all arms."""
    return Range.of(values["best"] for values in _arms(model, optimizer).values())


def sensitivity(model, optimizer, arm):
    return _arms(model, optimizer)[arm]["sensitivity"]


def difference(model, optimizer, arm, other):
    """Of test losses."""
    return _difference("best", model, optimizer, arm, other)


def less_sensitive(model, optimizer, arm, other):
    return _difference("sensitivity", model, optimizer, arm, other)


def _difference(name, *key):
    row = _compared().loc[key]
    return Interval(row[name], row[f"{name}_low"], row[f"{name}_high"])


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
    "language_losses": losses,
    "language_sensitivity": sensitivity,
    "language_difference": difference,
    "language_less_sensitive": less_sensitive,
    "language_p": p,
}
