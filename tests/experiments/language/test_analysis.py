"""Statistics of the study, by hand."""

import numpy as np
import pandas as pd
import pytest

from experiments.language import analysis, program, tables


def runs(arm, held_out, test=None, first=4.0, optimizer="adamw"):
    """Rows of a case from losses (seeds, rates)."""
    held_out = np.asarray(held_out, float)
    test = held_out if test is None else np.asarray(test, float)
    seeds, rates = np.indices(held_out.shape)
    return pd.DataFrame(
        {
            "model": "transformer",
            "optimizer": optimizer,
            "arm": arm,
            "seed": seeds.ravel(),
            "rate": 10.0 ** (rates.ravel() - 3),
            "first": first,
            "held_out": held_out.ravel(),
            "test": test.ravel(),
            "spikes": 0.0,
            "scale": np.nan,
        }
    )


def test_sensitivity_by_hand():
    # 2.5, 1.5, 3, and two that count as the 4 before training: the mean is 3, the
    # best 1.5.
    losses = analysis.losses(runs("base", [[2.5, 1.5, 3.0, 7.0, np.nan]]), "held_out")
    assert losses.tolist() == [[2.5, 1.5, 3.0, 4.0, 4.0]]
    assert analysis.sensitivities(losses).tolist() == [1.5]
    assert analysis.sensitivities(np.full((2, 3), 1.7)).tolist() == [0, 0]


def test_the_rate_is_chosen_on_held_out_text_and_judged_on_the_test():
    part = runs("base", [[2.0, 1.5], [2.0, 1.7]], test=[[1.0, 1.8], [1.0, 1.9]])
    assert analysis.chosen(part) == 0.01
    assert analysis.best(part).tolist() == [1.8, 1.9]
    assert analysis.chosen(runs("base", [[2.0, 2.0]])) == 0.001


def test_spikes_by_hand():
    rng = np.random.default_rng(0)
    calm = 2 + 0.1 * rng.uniform(-1, 1, 220)
    spiky = calm.copy()
    spiky[[150, 205]] = 2.6, 0.5  # 10 deviations up; far down, which is no spike
    lost = calm.copy()
    lost[-1] = np.nan
    losses = np.stack([calm, spiky, lost])
    np.testing.assert_allclose(program.spikes(losses, 100), [0, 100 / 120, 100 / 120])
    # Against a loop.
    noisy = rng.lognormal(0, 2, 300)
    count = sum(
        noisy[i] > noisy[i - 40 : i].mean() + 7 * noisy[i - 40 : i].std()
        for i in range(40, 300)
    )
    assert count > 0
    assert program.spikes(noisy, 40) == pytest.approx(100 * count / 260)


def noise(shift, seed, scale=0.002):
    # Twelve seeds with a pairwise difference of `shift` at each of three rates.
    rng = np.random.default_rng(seed)
    return np.array([1.5, 1.6, 2.0]) + np.array(shift) + rng.normal(0, scale, (12, 3))


def test_comparisons_and_their_words():
    arms = {
        "base": noise([0, 0, 0], 1),
        "lm": noise([0, 0, -0.3], 2),
        "lm_after": noise([0.1, 0, 0], 3),
    }
    table = analysis.comparisons(pd.concat([runs(*x) for x in arms.items()]))
    pairs = [tuple(x) for x in table[["arm", "other"]].to_numpy()]
    assert pairs == [("lm", "base"), ("lm", "lm_after"), ("lm_after", "base")]
    row = table.iloc[0]
    assert row["sensitivity"] == pytest.approx(-0.1, abs=0.01)
    assert row["n"] == 12
    assert tables.sensitivity(row) == "**less**"
    assert tables.quality(row) == "equal"
    worse = table.iloc[2]
    assert worse["best"] == pytest.approx(0.1, abs=0.01)
    assert tables.quality(worse) == "**worse**"
    # Of three tests, each with the smallest p that 12 pairs can give.
    assert row["sensitivity_p"] == pytest.approx(3 * 2**-11)


def test_optimizers_are_families_of_their_own():
    both = [
        runs(arm, noise(shift, seed), optimizer=optimizer)
        for optimizer, arms in (
            ("adamw", ("base", "lm")),
            ("adabelief", ("base", "lm_c0")),
        )
        for seed, (arm, shift) in enumerate(zip(arms, ([0, 0, 0], [0.1, 0.1, 0.4])))
    ]
    table = analysis.comparisons(pd.concat(both))
    assert table["best_p"].tolist() == [2**-11, 2**-11]
