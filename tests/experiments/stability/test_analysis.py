"""Margins and comparisons, against hand-made rows and simulations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.stability import analysis, margins, tables

RATES = (0.01, 0.02, 0.04, 0.08)


def test_the_crossing_by_hand():
    shares = [
        [0.0, 0.0, 0.1, 1.0],  # half way from 0.02 to 0.04, in log rate
        [0.0, 0.05, 0.05, 0.3],  # at 0.04: as much as is allowed
        [0.1, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.05],
        [0.0, 0.2, 0.0, 1.0],  # the first crossing counts
    ]
    expected = [0.02 * 2**0.5, 0.04, 0.0, np.inf, 0.01 * 2**0.25]
    np.testing.assert_allclose(margins.crossing(np.array(shares), RATES), expected)


def test_a_ratio_pairs_its_resamples():
    thresholds = np.exp(np.random.default_rng(0).normal(np.log(0.03), 0.3, 48))
    collapsed = thresholds[:, None] < np.array(RATES)
    equal = margins.ratio(collapsed, collapsed, RATES)
    assert (equal.value, equal.low, equal.high) == (1, 1, 1)
    twice = np.column_stack([np.zeros(48, bool), collapsed[:, :-1]])
    doubled = margins.ratio(twice, collapsed, RATES)
    assert doubled.value == pytest.approx(2)
    assert 1.5 < doubled.low < 2.001
    never = np.zeros((48, 4), bool)
    assert np.isnan(margins.ratio(never, never, RATES).value)
    assert doubled.bound == equal.bound == ""
    for ours, theirs, bound in (
        (never, collapsed, "≥"),
        (collapsed, never, "≤"),
        (~never, collapsed, "≤"),
        (collapsed, ~never, "≥"),
    ):
        assert margins.ratio(ours, theirs, RATES).bound == bound
    assert margins.margin(never, RATES).value == np.inf
    assert margins.margin(~never, RATES).value == 0


def threshold_runs(rng, median, spread, rates, n=48):
    """Seeds that collapse from a rate of their own on, log-normally distributed."""
    thresholds = np.exp(rng.normal(np.log(median), spread, n))
    return thresholds[:, None] < np.array(rates)


@pytest.mark.parametrize(("median", "spread"), [(0.024, 0.3), (0.03, 0.25)])
def test_the_margins_interval_covers_it(median, spread, monkeypatch):
    """Within 2 points of 90% over 1,000 studies of 48 seeds."""
    monkeypatch.setattr(margins, "RESAMPLES", 999)
    rates = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)
    shares = stats.norm.cdf(np.log(np.array(rates) / median) / spread)
    true = margins.crossing(shares, rates)
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        margin = margins.margin(threshold_runs(rng, median, spread, rates), rates)
        hits += margin.low <= true <= margin.high
    assert 880 <= hits <= 920


def runs_of(collapsed, accuracy, arm, rates=RATES, optimizer="sgd", held_out=None):
    """Rows of a case from collapsed (seeds, rates) and accuracy (seeds, rates)."""
    seed, rate = np.meshgrid(
        np.arange(2000, 2000 + len(collapsed)), rates, indexing="ij"
    )
    held_out = accuracy if held_out is None else held_out
    return pd.DataFrame(
        {
            "task": "mlp12",
            "optimizer": optimizer,
            "arm": arm,
            "seed": seed.ravel(),
            "rate": rate.ravel(),
            "test_accuracy": np.where(collapsed, 10.0, accuracy).ravel(),
            "held_out_accuracy": np.where(collapsed, 10.0, held_out).ravel(),
            "loss": 0.1,
            "collapsed": np.asarray(collapsed).ravel(),
            "collapse_step": -1,
        }
    )


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    plain = threshold_runs(rng, 0.02, 0.2, RATES)
    better = threshold_runs(rng, 0.06, 0.2, RATES)
    accuracy = 95 + rng.normal(0, 0.5, plain.shape)
    accuracy[:, 1] += 1.0
    return pd.concat(
        [
            runs_of(better, accuracy, "lm"),
            runs_of(plain, accuracy, "base"),
            runs_of(better, accuracy - 3, "clip"),
        ],
        ignore_index=True,
    )


def test_the_summary_by_hand(runs):
    table = analysis.summary(runs).set_index("arm")
    assert list(table.index) == ["base", "lm", "clip"]  # in the records' order
    lm = runs[runs["arm"] == "lm"]
    assert table.loc["lm", "chosen"] == 0.02
    accuracy = lm[lm["rate"] == 0.02]["test_accuracy"]
    assert table.loc["lm", "accuracy"] == pytest.approx(accuracy.mean())
    assert table.loc["lm", "deviation"] == pytest.approx(accuracy.std())
    assert table.loc["lm", "ratio_low"] > 1
    assert np.isnan(table.loc["base", "ratio"])


def test_comparisons_say_who_collapses_less_and_who_is_better(runs):
    table = analysis.comparisons(runs).set_index("other")
    assert (table["arm"] == "lm").all()
    assert tables.collapses(table.loc["base"]) == "**fewer**"
    assert tables.collapses(table.loc["clip"]) == "cannot tell"
    assert tables.accuracy(table.loc["clip"]) == "**better**"
    assert table.loc["clip", "points"] == pytest.approx(3)
    swapped = runs.replace({"arm": {"lm": "base", "base": "lm"}})
    lost = analysis.comparisons(swapped).set_index("other")
    assert tables.collapses(lost.loc["base"]) == "**more**"


def test_equal_is_said_of_equals(runs):
    base = runs[runs["arm"] == "base"]
    table = analysis.comparisons(pd.concat([base, base.assign(arm="lm")]))
    (row,) = table.to_dict("records")
    assert tables.accuracy(row) == "equal"
    assert tables.collapses(row) == "cannot tell"
    assert row["pairs"] == 2


def test_the_rate_is_chosen_on_held_out_images_alone():
    never = np.zeros((3, 4), bool)
    test = np.tile([99.0, 90.0, 90.0, 90.0], (3, 1))
    held_out = np.tile([90.0, 95.0, 95.0, 90.0], (3, 1))
    runs = runs_of(never, test, "base", held_out=held_out)
    assert analysis.chosen(runs) == 0.02  # the smaller of equals


def test_before_and_after_are_compared_once(runs):
    base = runs[runs["arm"] == "base"]
    both = pd.concat([base, *(base.assign(arm=arm) for arm in ("lm", "lm_after"))])
    table = analysis.comparisons(both)
    pairs = [tuple(pair) for pair in table[["arm", "other"]].to_numpy()]
    assert pairs == [("lm", "base"), ("lm", "lm_after"), ("lm_after", "base")]


def test_shapes_and_thresholds_are_a_family_of_their_own(runs):
    before = analysis.comparisons(runs)
    plain, ours = (runs[runs["arm"] == arm] for arm in ("base", "lm"))
    more = pd.concat(
        [runs, plain.assign(arm="lm_sqrt"), ours.assign(arm="lm_smoothed")],
        ignore_index=True,
    )
    pd.testing.assert_frame_equal(analysis.comparisons(more), before)
    table = analysis.variants(more).set_index("arm")
    assert (table["other"] == "lm").all()
    assert tables.collapses(table.loc["lm_sqrt"]) == "**more**"
    assert tables.collapses(table.loc["lm_smoothed"]) == "cannot tell"
    assert len(analysis.variants(runs)) == 0
