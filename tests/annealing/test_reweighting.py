"""Expectations under exp(−U/T) from chains on H, against enumeration."""

import itertools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import landmod_jax as lm
from landmod_jax import annealing
from landmod_jax.annealing import spins

T = 0.9
RNG = np.random.default_rng(4)
MODEL = spins.ising(
    spins.edges(6, [(i, (i + 1) % 6) for i in range(6)], RNG.normal(size=6)), 0.2
)
STATES = jnp.asarray(list(itertools.product((-1, 1), repeat=6)), jnp.int8)
U = np.asarray(jax.vmap(MODEL)(STATES), np.float64)
C = float(U.min()) + 0.5
WAYS = {
    "linear": {"f": "linear"},
    "no closed form": {"f": lm.power(1.5)},
    "the full H": {"f": "linear", "logarithm": True},
}


def statistics_of(x):
    """The mean spin, and whether all but one agree."""
    total = jnp.asarray(x, jnp.float32).sum(-1)
    return jnp.stack([total / 6, (jnp.abs(total) >= 4).astype(jnp.float32)], -1)


def exact(T):
    p = np.exp((U.min() - U) / T)
    return (p / p.sum()) @ np.asarray(statistics_of(STATES), np.float64)


def path(chains, records, sweeps, law):
    """Chains that start in equilibrium, from the enumerated law."""
    first, key = jax.random.split(jax.random.key(2))
    log_p = -lm.landscape(jnp.asarray(U), C, T, **law)
    x0 = STATES[jax.random.categorical(first, log_p, shape=(chains,))]
    return annealing.metropolis(
        MODEL, MODEL.flips(), x0, key, steps=6 * sweeps * records, temperature=T,
        records=records, threshold=lm.constant(C), **law,
    ).trajectory  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_weights_turn_one_law_into_the_other(way):
    law = WAYS[way]
    h = lm.landscape(jnp.asarray(U), C, T, **law)
    for target in (None, 1.5):
        log_w = annealing.log_weights(U, temperature=T, c=C, target=target, **law)
        found = np.asarray(log_w - h, np.float64)
        expected = -U / (target or T)
        np.testing.assert_allclose(
            found - found[0], expected - expected[0], rtol=1e-4, atol=1e-4
        )


def test_intervals_cover_as_often_as_they_say():
    """1,000 repetitions of 60 chains; 2 points are 2.9 standard errors of 95%."""
    law, repetitions, chains = WAYS["linear"], 1_000, 60
    whole = path(repetitions * chains, records=8, sweeps=2, law=law)
    x, value = whole.x, whole.value
    # Of each repetition, its own chains.
    split = lambda a: jnp.moveaxis(
        a.reshape(len(a), repetitions, chains, *a.shape[2:]), 1, 0
    )

    @jax.vmap
    def found(x, value):
        statistic = statistics_of(x)
        return annealing.expectation(statistic, value, temperature=T, c=C, **law)

    result = jax.jit(found)(split(x), split(value))
    covered = (result.low < exact(T)) & (exact(T) < result.high)
    assert np.abs(np.asarray(covered).mean(0) - 0.95).max() < 0.02
    # Without the weights they would not.
    plain = jax.vmap(lambda x: statistics_of(x).mean((0, 1)))(split(x))
    half = (result.high - result.low) / 2
    assert (np.abs(plain - exact(T)) < half).mean(0).min() < 0.6


def test_effective_size_and_its_warning_by_hand():
    value = jnp.zeros((1, 200))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        even = annealing.expectation(value + 1, value, temperature=1.0)
    np.testing.assert_allclose(even.ess, 200, rtol=1e-5)
    np.testing.assert_allclose((even.mean, even.standard_error), (1, 0), atol=1e-6)
    # One point of weight 1, and 199 of e⁻⁴: (1 + 199 e⁻⁴)² / (1 + 199 e⁻⁸).
    value = value.at[0, 1:].set(4.0)
    with pytest.warns(UserWarning, match=r"effective sample size is 20.2: .*Raise c"):
        few = annealing.expectation(value, value, temperature=1e9, target=1.0)
    expected = (1 + 199 * np.exp(-4)) ** 2 / (1 + 199 * np.exp(-8))
    np.testing.assert_allclose(few.ess, expected, rtol=1e-4)


def test_points_without_a_finite_energy_have_no_weight():
    value = jnp.where(jnp.arange(300) % 3 == 0, jnp.inf, 1.0)[None]
    statistic = jnp.where(jnp.isfinite(value), 2.0, jnp.nan)
    found = annealing.expectation(statistic, value, temperature=1.0, f="linear", c=0.0)
    np.testing.assert_allclose(found.mean, 2.0, rtol=1e-6)
    np.testing.assert_allclose(found.ess, 200, rtol=1e-5)


@pytest.mark.parametrize("chains", [2, 60])
def test_intervals_are_student_s(chains):
    value = jnp.zeros((4, chains))
    statistic = jax.random.normal(jax.random.key(0), value.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = annealing.expectation(statistic, value, temperature=1.0)
    interval = stats.ttest_1samp(statistic.mean(0), 0.0).confidence_interval()
    np.testing.assert_allclose((found.low, found.high), interval, rtol=1e-4)


def test_one_chain_has_no_interval():
    value = jnp.zeros((200, 1))
    found = annealing.expectation(value + 1, value, temperature=1.0)
    np.testing.assert_allclose(found.mean, 1, rtol=1e-6)
    assert np.isnan([found.standard_error, found.low, found.high]).all()
