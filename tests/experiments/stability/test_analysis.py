"""Which runs fail, margins and comparisons, against hand-made rows and simulations."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from experiments.stability import analysis, margins, tables

RATES = (0.01, 0.02, 0.04, 0.08)
FINE = tuple(0.01 * 10 ** (i / 10) for i in range(12))


def threshold_runs(rng, median, spread, rates, n=48):
    """Seeds that fail from a rate of their own on, log-normally distributed."""
    thresholds = np.exp(rng.normal(np.log(median), spread, n))
    return thresholds[:, None] < np.array(rates)


def counts(failed, rates=FINE, n=48):
    return margins.Counts(tuple(failed), n, rates)


def test_a_margin_agrees_with_a_logistic_regression():
    failed = np.array([0, 0, 0, 1, 4, 11, 24, 38, 45, 47, 48, 48])
    x = np.log(FINE)

    def loss(of):
        return -stats.binom.logpmf(
            failed, 48, 1 / (1 + np.exp(-of[1] * (x - of[0])))
        ).sum()

    fit = optimize.minimize(loss, (np.log(0.04), 5.0), method="Nelder-Mead")
    found = margins.margin(counts(failed))
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(np.exp(fit.x[0]), rel=0.04)
    # Its standard error, from the curvature of the log likelihood.
    shares = 1 / (1 + np.exp(-fit.x[1] * (x - fit.x[0])))
    weights = 48 * shares * (1 - shares)
    error = 1 / (fit.x[1] * np.sqrt(weights.sum()))
    assert np.log(found.high / found.low) == pytest.approx(3.92 * error, rel=0.3)


def test_nothing_is_known_between_none_and_all():
    found = margins.margin(counts([0, 0, 48, 48], RATES))
    assert 0.02 < found.low < 0.023
    assert 0.035 < found.high < 0.04


@pytest.mark.parametrize("skew", [-1, 0, 1])
def test_a_curve_reaches_a_share_at_its_crossing(skew):
    share = 0.3
    rates = margins.crossings(FINE, share)
    _, slope, low, high, skews = margins._parameters(FINE)
    on_grid = (rates > FINE[0]) & (rates < FINE[-1]) & (skews == skew) & (slope < 20)
    fails = np.exp(margins._curves(FINE)[0])
    for i in np.flatnonzero(on_grid)[::997]:
        assert low[i] < share < high[i]
        position = np.searchsorted(FINE, rates[i])
        assert fails[i, position - 1] <= share + 1e-6
        assert fails[i, position] >= share - 1e-6


def test_slow_runs_below_the_edge_do_not_count():
    edge = [0, 0, 0, 10, 48, 48, 48]
    slow = margins.margin(counts([48, 30, 3, 0, 0, *edge]))
    quick = margins.margin(counts([0, 0, 0, 0, 0, *edge]))
    assert slow.value == pytest.approx(quick.value, rel=0.02)


def test_margins_off_the_grid_are_bounds():
    never, always = counts([0] * 12), counts([48] * 12)
    some = counts([0] * 6 + [24] + [48] * 5)
    assert margins.margin(never).value == np.inf
    assert margins.margin(always).value == 0
    for ours, theirs, bound in (
        (never, some, "≥"), (some, never, "≤"), (some, some, ""),
        (always, some, "≤"), (some, always, "≥"),
    ):  # fmt: skip
        assert margins.ratio(ours, theirs).bound == bound
    assert np.isnan(margins.ratio(never, never).value)
    # The grid's end over the margin, not infinity.
    assert margins.ratio(never, some).value == pytest.approx(
        FINE[-1] / FINE[6], rel=0.05
    )


def test_a_plateau_is_one():
    for failed, is_one in (
        ([0, 0, 2, 24, 24, 40], True),
        ([0, 0, 12, 20, 18, 48], True),
        ([0, 0, 2, 24, 25, 40], False),
        ([0, 0, 2, 45, 45, 48], False),  # above 80%
        ([20, 20, 0, 0, 24, 48], False),  # below the fewest
    ):
        assert margins.plateau(counts(failed, FINE[:6])) == is_one, failed


def test_nothing_is_claimed_of_a_plateau():
    some = counts([0] * 5 + [4, 24, 44] + [48] * 4)
    flat = counts([0] * 8 + [24, 24, 24, 24])
    for found in (margins.ratio(flat, some), margins.ratio(some, flat)):
        assert np.isnan([found.p, found.p_equivalent]).all()
        assert tables.higher({"ratio": found, "p": found.p}) == "plateau"
        assert tables._ratio(found).endswith(", plateau")
    assert tables._margin(margins.margin(flat)).endswith(", plateau")


def test_ratios_and_their_p():
    some = counts([0] * 5 + [4, 24, 44] + [48] * 4)
    twice = counts([0] * 8 + [4, 24, 44, 48])
    found = margins.ratio(twice, some)
    assert found.value == pytest.approx(10**0.3, rel=0.02)
    assert 1.8 < found.low < found.high < 2.2
    assert found.p == pytest.approx(2 / 10_000)
    assert found.p_equivalent > 0.99
    equal = margins.ratio(some, some._replace(failed=some.failed))
    assert equal.p > 0.9
    assert equal.p_equivalent < 0.05
    few = some._replace(failed=tuple(x // 8 for x in some.failed), n=6)
    assert margins.ratio(few, few).p_equivalent > 0.05


def runs_of(failed, accuracy, arm, rates=RATES, optimizer="sgd", held_out=None):
    """Rows of a case from failures (seeds, rates) and accuracy (seeds, rates)."""
    seed, rate = np.meshgrid(np.arange(6000, 6000 + len(failed)), rates, indexing="ij")
    held_out = accuracy if held_out is None else held_out
    columns = {"seed": seed, "rate": rate}
    columns["test_accuracy"] = np.where(failed, 10.0, accuracy)
    columns["held_out_accuracy"] = np.where(failed, 10.0, held_out)
    rows = pd.DataFrame({name: x.ravel() for name, x in columns.items()})
    return rows.assign(task="mlp12", optimizer=optimizer, arm=arm, loss=0.1)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    plain = threshold_runs(rng, 0.025, 0.2, RATES)
    better = threshold_runs(rng, 0.06, 0.2, RATES)
    accuracy = 95 + rng.normal(0, 0.5, plain.shape)
    accuracy[:, 0] += 1.0
    return pd.concat(
        [
            runs_of(better, accuracy, "lm"),
            runs_of(plain, accuracy, "base"),
            runs_of(better, accuracy - 3, "clip"),
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def runs(rows):
    return analysis.judged(rows)


def test_a_run_fails_below_a_share_of_plains_best():
    test = [[90.0, 72.1, 71.9, 45.1]] * 3
    never = np.zeros((3, 4), bool)
    held_out = np.tile([90.0, 70.0, 70.0, 40.0], (3, 1))
    plain = runs_of(never, np.array(test), "base", held_out=held_out)
    # The reference is plain's, even if another arm is better.
    other = runs_of(never, np.full((3, 4), 99.0), "lm")
    both = analysis.judged(pd.concat([plain, other], ignore_index=True))
    first = both[both["arm"] == "base"].iloc[:4]
    assert first["failed80"].tolist() == [0, 0, 1, 1]
    assert first["failed50"].tolist() == [0, 0, 0, 0]
    assert first["failed95"].tolist() == [0, 1, 1, 1]
    alone = analysis.judged(other)
    assert not alone["failed95"].any()


def test_the_summary_by_hand(runs):
    table = analysis.summary(runs).set_index("arm")
    assert list(table.index) == ["base", "lm", "clip"]  # in the records' order
    lm = runs[runs["arm"] == "lm"]
    assert table.loc["lm", "chosen"] == 0.01
    accuracy = lm[lm["rate"] == 0.01]["test_accuracy"]
    assert table.loc["lm", "accuracy"] == pytest.approx(accuracy.mean())
    assert table.loc["lm", "deviation"] == pytest.approx(accuracy.std())
    assert table.loc["lm", "ratio"].low > 1
    assert table.loc["base", "ratio"] is None


def test_a_rate_is_reliable_if_all_from_the_chosen_one_on_are():
    failed = np.zeros((20, 4), bool)
    failed[0, 1], failed[:2, 2], failed[0, 3] = True, True, True  # 5%, 10%, 5%
    held_out = np.tile([90.0, 80.0, 80.0, 80.0], (20, 1))
    rows = runs_of(failed, np.full((20, 4), 95.0), "base", held_out=held_out)
    assert analysis.reliable(analysis.judged(rows)) == 0.02
    failed[:2, 0] = True
    rows = runs_of(failed, np.full((20, 4), 95.0), "base", held_out=held_out + 20)
    assert analysis.reliable(analysis.judged(rows)) == 0.0


def test_comparisons_say_whose_margin_is_higher_and_who_is_better(runs):
    table = analysis.comparisons(runs).set_index("other")
    assert (table["arm"] == "lm").all()
    assert tables.higher(table.loc["base"]) == "**higher**"
    assert tables.higher(table.loc["clip"]) == "cannot tell"
    assert tables.accuracy(table.loc["clip"]) == "**better**"
    assert table.loc["clip", "points"] == pytest.approx(3)
    swapped = runs.replace({"arm": {"lm": "base", "base": "lm"}})
    lost = analysis.comparisons(swapped).set_index("other")
    assert tables.higher(lost.loc["base"]) == "**lower**"


def test_equal_is_said_of_equals():
    failed = threshold_runs(np.random.default_rng(3), 0.03, 0.15, FINE, n=400)
    plain = runs_of(failed, np.full(failed.shape, 95.0), "base", FINE)
    both = [plain, plain.assign(arm="lm")]
    judged = analysis.judged(pd.concat(both, ignore_index=True))
    (row,) = analysis.comparisons(judged).to_dict("records")
    assert tables.accuracy(row) == "equal"
    assert tables.higher(row) == "equal"


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
    assert pairs == [("lm", "base"), ("lm_after", "base"), ("lm", "lm_after")]


def test_three_families_are_adjusted_each_on_its_own(runs):
    before = analysis.comparisons(runs).set_index("other")
    plain, ours = (runs[runs["arm"] == arm] for arm in ("base", "lm"))
    more = pd.concat(
        [runs, plain.assign(arm="lm_sqrt"), ours.assign(arm="lm_smoothed")],
        ignore_index=True,
    )
    table = analysis.comparisons(more).set_index(["arm", "other"])
    for other in ("base", "clip"):
        assert table.loc[("lm", other), "p"] == before.loc[other, "p"]
    variants = table[table.index.get_level_values("other") == "lm"]
    assert list(variants.index.get_level_values("arm")) == ["lm_sqrt", "lm_smoothed"]
    assert tables.higher(variants.iloc[0]) == "**lower**"
    assert tables.higher(variants.iloc[1]) == "cannot tell"
