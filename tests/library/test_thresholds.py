"""Thresholds against NumPy by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm

LOSSES = np.array([3.0, 1.0, 2.5, 0.5, 4.0, 2.0, 2.0, 3.5, 0.75])


def values_of(threshold, losses=LOSSES):
    def step(state, value):
        c, state = threshold.update(state, value)
        return state, c

    return jax.lax.scan(step, threshold.init(jnp.float32), jnp.float32(losses))[1]


def test_running_min():
    np.testing.assert_array_equal(
        values_of(lm.running_min()), np.minimum.accumulate(LOSSES)
    )


@pytest.mark.parametrize("c", [0.25, np.inf])
def test_constant(c):
    assert (values_of(lm.constant(c)) == c).all()


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_smoothed_min_is_the_minimum_of_weighted_means(decay):
    means = []
    for t in range(1, len(LOSSES) + 1):
        weights = decay ** np.arange(t)[::-1].astype(float)
        means.append((weights * LOSSES[:t]).sum() / weights.sum())
    np.testing.assert_allclose(
        values_of(lm.smoothed_min(decay)), np.minimum.accumulate(means), rtol=1e-5
    )


def test_one_lucky_batch_does_not_set_a_smoothed_c():
    losses = np.full(50, 2.0)
    losses[20] = 0.1
    assert values_of(lm.running_min(), losses)[-1] == np.float32(0.1)
    assert values_of(lm.smoothed_min(0.95), losses)[-1] > 1.85


@pytest.mark.parametrize("n", [1, 3, 20])
def test_windowed_min(n):
    expected = [LOSSES[max(0, t + 1 - n) : t + 1].min() for t in range(len(LOSSES))]
    np.testing.assert_array_equal(values_of(lm.windowed_min(n)), expected)


@pytest.mark.parametrize("decay", [0.9999, 1 - 1e-9])
def test_slow_averages_keep_their_digits(decay):
    """In float32, 1 − 0.9999 has three digits and 1 − (1 − 1e-9) none."""
    c = values_of(lm.smoothed_min(decay), np.full(50, 2.0))
    np.testing.assert_allclose(c, 2.0, rtol=3e-6)
    assert (values_of(lm.smoothed_min(decay), np.zeros(3)) == 0).all()
