"""The statistics against closed forms, simulations and SciPy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from experiments.report import statistics, tables
from tests.helpers import make_run


def test_the_sign_flip_test_counts_every_pattern():
    d = np.array([1.5, -0.2, 0.7, 2.0, 0.1])
    sums = [np.dot(signs, d) for signs in itertools.product((1, -1), repeat=5)]
    expected = np.mean(np.abs(sums) >= d.sum() - 1e-12)
    assert statistics.sign_flip_p(d) == expected
    # SciPy's own permutation test of paired samples.
    scipy = stats.permutation_test(
        (d, np.zeros(5)),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    np.testing.assert_allclose(statistics.sign_flip_p(d), scipy.pvalue)


@pytest.mark.parametrize("n", [1, 3, 6, 16, 17])
def test_equal_gains_have_the_smallest_p_there_is(n):
    p = statistics.sign_flip_p(np.full(n, 0.3))
    if n <= statistics.EXACT_UP_TO:
        assert p == statistics.smallest_p(n) == 2.0 ** (1 - n)
    else:
        assert p < 1e-3


def test_student_s_interval_for_few_pairs_is_scipy_s():
    d = np.array([1.0, 2.0, 4.0])
    expected = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    np.testing.assert_allclose(statistics.interval(d), expected)


def test_what_cannot_be_told_is_nan():
    none = statistics.paired([])
    assert none.n == 0
    assert all(map(math.isnan, (none.mean, none.low, none.high, none.p)))
    one = statistics.paired([2.0])
    assert (one.n, one.mean, one.p) == (1, 2.0, 1.0)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    equal = statistics.paired([2.0, 2.0])
    assert equal.low == equal.high == 2.0


def test_the_interval_of_many_pairs_is_about_student_s():
    d = np.random.default_rng(0).normal(0.8, 1.3, statistics.BOOTSTRAP_FROM)
    expected = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    found = statistics.interval(d)
    np.testing.assert_allclose(found, expected, atol=0.1 * np.ptp(expected))
    assert not np.allclose(found, expected, rtol=1e-5, atol=0)


def test_holm_by_hand():
    adjusted = statistics.holm([0.01, 0.04, 0.03, 0.005, math.nan])
    # Sorted 0.005·4, 0.01·3, 0.03·2, 0.04·1, never falling.
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02, math.nan])
    np.testing.assert_array_equal(statistics.holm([0.9, 0.8]), [1.0, 1.0])


def test_wilson_by_its_formula():
    k, n, z = 3, 10, 1.959963984540054
    center = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    np.testing.assert_allclose(statistics.wilson(k, n), (center - half, center + half))
    low, high = statistics.wilson(0, 5)
    assert low == 0
    assert 0.4 < high < 0.5


def test_mcnemar_looks_at_the_discordant_pairs_alone():
    first = [True] * 5 + [True] * 3 + [False] * 4
    second = [False] * 5 + [True] * 3 + [False] * 4
    assert statistics.mcnemar_p(first, second) == 2 * 0.5**5
    assert statistics.mcnemar_p(first, first) == 1.0


def test_equivalence_is_two_one_sided_t_tests():
    d = np.array([0.3, -0.2, 0.5, 0.1, 0.4])
    above = stats.ttest_1samp(d, -1.0, alternative="greater").pvalue
    below = stats.ttest_1samp(d, 1.0, alternative="less").pvalue
    np.testing.assert_allclose(statistics.equivalence_p(d, 1.0), max(above, below))
    assert statistics.equivalence_p(d + 1.5, 1.0) > 0.5
    assert statistics.equivalence_p(-d - 1.5, 1.0) > 0.5
    assert statistics.equivalence_p([0.2, 0.2], 1.0) == 0
    assert statistics.equivalence_p([1.0, 1.0], 1.0) == 1
    assert math.isnan(statistics.equivalence_p([0.2], 1.0))
    with pytest.raises(ValueError, match="margin must be greater than 0, got 0"):
        statistics.equivalence_p(d, 0)


@pytest.mark.parametrize(
    ("spread", "difference", "power", "pairs"),
    [  # G*Power 3.1: matched pairs, two tails, α 0.05
        (1, 0.2, 0.8, 199),
        (1, 0.5, 0.8, 34),
        (2, -1.0, 0.8, 34),
        (1, 0.8, 0.8, 15),
        (1, 0.5, 0.95, 54),
    ],
)
def test_pairs_needed_are_those_of_power_tables(spread, difference, power, pairs):
    assert statistics.pairs_needed(spread, difference, power) == pairs


def test_pairs_needed_at_the_ends():
    assert statistics.pairs_needed(0.0, 1.0) == 2
    assert statistics.pairs_needed(1.0, 1e-4) is None
    # Normal quantiles: (1.960 + 0.842)² · 350² is 961,500.
    assert statistics.pairs_needed(350.0, 1.0) == pytest.approx(961_500, rel=1e-3)
    for spread, difference in ((1.0, 0.0), (-1.0, 1.0), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="difference must not be 0"):
            statistics.pairs_needed(spread, difference)


def test_sums_that_are_equal_but_for_rounding_count_as_equal():
    """Accuracies of 10,000 images are multiples of 0.01, which floats round."""
    before = np.array([8247, 8354, 8337, 8239, 8339, 8259, 8303, 8319])
    hundredths = np.array([-7, -1, 10, 11, -6, 6, -9, -6])
    d = (before + hundredths) / 100 - before / 100
    assert statistics.sign_flip_p(d) == statistics.sign_flip_p(hundredths) < 0.97
    ninths = np.array([2, 0, 4, 3, 7, 8, 3, 4]), np.array([8, 1, 6, 0, 0, 5, 9, 2])
    assert ninths[0].sum() == ninths[1].sum()
    assert statistics.sign_flip_p(ninths[0] / 9 - ninths[1] / 9) == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("n", [7, 20])
def test_differences_that_are_not_finite_have_no_p(bad, n):
    assert math.isnan(statistics.paired([bad, *np.ones(n)]).p)


def test_every_table_says_how_many_pairs_a_difference_takes(tmp_path):
    gains = np.array([0.5, 1.5, -0.5, 2.5])
    runs = [
        make_run(tmp_path, arm, seed, 80.0 + (gain if arm == "lm" else 0.0))
        for seed, gain in enumerate(gains)
        for arm in ("base", "lm")
    ]
    title = "Pairs to detect 1 point"
    # sd = √(5/3): of normal quantiles (1.960 + 0.842)² · 5/3, and 2 or so more.
    for some, pairs in ((runs, "16"), (runs[:2], "")):
        summary = tables.summarize(some)
        column = tables.header(summary).index(title)
        assert [row[column] for row in tables.cells(summary)] == ["", pairs]
        assert title in tables.markdown(some)
