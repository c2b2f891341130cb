"""The comparison of frontiers, on rows whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.batches import analysis, tables
from experiments.batches.remedies import REMEDIES

SEEDS = 72


def curve(points, spread=0.5, seed=0):
    """(strengths, seeds, 2) around (faults, rare) points."""
    noise = np.random.default_rng(seed).normal(size=(len(points), SEEDS, 2))
    return np.asarray(points, float)[:, None] + spread * noise


LINE = [(98, 70), (97, 80), (95, 90)]


@pytest.mark.parametrize(
    ("ours", "is_outside"),
    [
        ([(98, 80)], True),  # beyond a corner of the line
        ([(99, 71)], True),  # beyond its end
        ([(98, 71)], False),  # as good as the line just before its end
        ([(97.3, 77)], False),  # on the line, between two points
        ([(97.4, 80.4)], False),  # beyond it, by less than the margin
        ([(99, 60), (98, 80)], True),  # one strength suffices
        ([(96, 70)], False),
    ],
)
def test_a_point_is_outside_if_all_of_the_line_is_worse(ours, is_outside):
    found = analysis.outside(curve(ours, seed=1), curve(LINE), 0.5)
    assert (found["p"] < 0.01) == is_outside
    assert (found["distance"] > 0.7) == is_outside
    assert found["low"] < found["distance"]


def test_distance_and_p_of_one_strength_by_hand():
    ours, theirs = curve([(98, 80)], seed=1), curve([(90, 79)], seed=2)
    theirs = np.concatenate([theirs, theirs])  # a line without length
    found = analysis.outside(ours, theirs, 0.5)
    difference = np.delete(
        (ours - theirs)[0, :, 0], np.s_[::3]
    )  # faults, by the others
    assert found["distance"] == pytest.approx(difference.mean())
    test = stats.ttest_1samp(difference, 0.5, alternative="greater")
    assert found["p"] == pytest.approx(test.pvalue)


def test_a_filled_line_has_its_points_and_nine_between():
    line = analysis.filled(curve(LINE))
    assert len(line) == 21
    np.testing.assert_allclose(line[::10], curve(LINE))
    np.testing.assert_allclose(line[3], 0.7 * line[0] + 0.3 * line[10])


def rows(values):
    """Rows of MLP, Adam from {(arm, strength): (faults, rare)}."""
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame(
            {
                "network": "mlp", "optimizer": "adam", "scenario": scenario,
                "arm": arm, "strength": strength, "seed": range(SEEDS),
                "test_accuracy": value + rng.normal(size=SEEDS) / 4,
                "rare_accuracy": value + rng.normal(size=SEEDS) / 4,
            }
        )
        for (arm, strength), both in values.items()
        for scenario, value in zip(("inputs2", "rare3"), both)
    ]  # fmt: skip
    return pd.concat(frames)


def test_comparisons_go_both_ways_and_are_adjusted_together():
    values = {("base", 0.0): (90, 95)}
    values |= {("lm", x): (95, 96) for x in REMEDIES["lm"].strengths}
    values |= {("clip", x): (94, 90) for x in REMEDIES["clip"].strengths}
    values |= {("skip", x): (98, 10) for x in REMEDIES["skip"].strengths}
    compared = analysis.comparisons(rows(values))
    cells = tables._overview(compared).splitlines()[4].split(" | ")
    assert cells[1:] == ["LM", "**LM outside**", "", "each outside", "", " |"]
    found = compared.set_index(["arm", "other"])
    assert set(found.index) == {
        ("lm", "clip"), ("clip", "lm"), ("lm", "skip"), ("skip", "lm")
    }  # fmt: skip
    outside = found["adjusted"] < 0.05
    assert outside.to_dict() == {
        ("lm", "clip"): True,
        ("clip", "lm"): False,
        ("lm", "skip"): True,  # it keeps far more of the rare classes
        ("skip", "lm"): True,  # and that one is far better protected
    }
    assert (found["adjusted"] >= found["p"]).all()
    assert analysis.comparisons(rows({("base", 0.0): (1, 2)})).empty


def test_defaults_are_compared_with_plain_runs():
    values = {("base", 0.0): (90, 80), ("lm", 1.0): (95, 80), ("clip", 1.0): (90, 60)}
    found = analysis.defaults(rows(values)).set_index(["arm", "scenario"])
    assert found.loc[("lm", "inputs2"), "mean"] == pytest.approx(5, abs=0.2)
    assert found.loc[("clip", "rare3"), "mean"] == pytest.approx(-20, abs=0.2)
    sure, equal = found["adjusted"] < 0.05, found["p_equivalent"] < 0.05
    assert sure.to_dict() == (~equal).to_dict()
    assert sure[("lm", "inputs2")]
    assert equal[("lm", "rare3")]
