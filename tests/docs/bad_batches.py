"""What the templates of the page on bad batches name, from the rows of that study.

A case is one such as mlp-adam-rare3; an arm and its strength follow.
"""

from experiments.batches.options import SCENARIOS
from experiments.batches.remedies import REMEDIES
from experiments.report import statistics
from tests.docs.rows import Count, Interval, Range, cell, frame


def runs(case, arm, strength):
    rows = frame(f"batches/rows/{case}.csv.gz")
    return rows[(rows["arm"] == arm) & (rows["strength"] == float(strength))]


def accuracies(case, arm, strength):
    rare = SCENARIOS[case.split("-")[2]].rare
    column = "rare_accuracy" if rare else "test_accuracy"
    return runs(case, arm, strength).set_index("seed")[column].sort_index()


def kept(case, arm, strength):
    return accuracies(case, arm, strength).mean()


def changed(case, arm, strength):
    """Points against plain runs of the same seeds."""
    difference = accuracies(case, arm, strength) - accuracies(case, "base", 0)
    return Interval(difference.mean(), *statistics.interval(difference.to_numpy()))


def lost(case, arm, strength):
    return -changed(case, arm, strength)


def below(case, arm, strength, bound):
    return Count((accuracies(case, arm, strength) < float(bound)).sum())


def rows_of(case, arm, strength):
    return len(runs(case, arm, strength))


def left(case, arm, strength):
    """The share of the gradient norm of bad or rare batches."""
    return runs(case, arm, strength)["left_marked"].mean()


def left_of_others(case, arm, strength):
    return runs(case, arm, strength)["left_others"].mean()


def defaults(case):
    """By arm, the change at its default."""
    found = {}
    for arm, remedy in REMEDIES.items():
        if arm != "base" and len(runs(case, arm, remedy.default)):
            found[arm] = changed(case, arm, remedy.default)
    return found


def range_of_losses(case):
    """Of the defaults of the rivals that adapt: z-score clip, skip, AdaGC."""
    found = defaults(case)
    return Range.of(-found[arm].value for arm in ("z_score", "skip", "history"))


def z_score_p(margin="0.5", strength="0.3"):
    """Of LM's distance to z-score clipping with Adam, adjusted."""
    row = ["MLP, Adam", f"LM {strength}", "z-score clip"]
    return cell("batches", f"With a margin of {margin} points", row, "Holm")


VALUES = {
    "bad_batches_kept": kept,
    "bad_batches_changed": changed,
    "bad_batches_lost": lost,
    "bad_batches_below": below,
    "bad_batches_runs": rows_of,
    "bad_batches_left": left,
    "bad_batches_left_of_others": left_of_others,
    "bad_batches_z_score_p": lambda: float(z_score_p()),
    "bad_batches_adaptive_losses": range_of_losses,
}
