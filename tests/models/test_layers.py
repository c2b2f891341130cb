"""Layers against NumPy by hand."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models import layers


def norm_by_hand(x, mean, var):
    return (x - mean) / np.sqrt(var + 1e-5)


def test_batch_norm_by_hand():
    """Training: the biased variance normalizes, the unbiased one is kept."""
    norm = layers.BatchNorm()
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (4, 3, 3, 5))
    variables = norm.init(jax.random.key(1), x, True)
    chex.assert_trees_all_equal(
        variables["batch_stats"], {"mean": jnp.zeros(5), "var": jnp.ones(5)}
    )
    flat = np.asarray(x, np.float64).reshape(-1, 5)
    y, updated = norm.apply(variables, x, True, mutable=["batch_stats"])
    expected = norm_by_hand(flat, flat.mean(0), flat.var(0))
    np.testing.assert_allclose(y.reshape(-1, 5), expected, atol=1e-5)
    stats = updated["batch_stats"]
    np.testing.assert_allclose(stats["mean"], 0.1 * flat.mean(0), rtol=1e-5)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * flat.var(0, ddof=1), rtol=1e-5)
    y = norm.apply({**variables, **updated}, x, False)
    expected = norm_by_hand(flat, np.asarray(stats["mean"]), np.asarray(stats["var"]))
    np.testing.assert_allclose(y.reshape(-1, 5), expected, atol=1e-5)


@pytest.mark.parametrize("wrap", ["pmap", "vmap"])
def test_batch_norm_over_an_axis_is_that_of_the_whole_batch(wrap):
    x = jax.random.normal(jax.random.key(0), (4, 2, 3, 3, 5)) + jnp.arange(4.0).reshape(
        4, 1, 1, 1, 1
    )
    whole = layers.BatchNorm()
    variables = whole.init(jax.random.key(1), x[0], True)
    expected, expected_stats = whole.apply(
        variables, x.reshape(8, 3, 3, 5), True, mutable=["batch_stats"]
    )
    spread = layers.BatchNorm(axis_name="i")

    def apply(x):
        return spread.apply(variables, x, True, mutable=["batch_stats"])

    mapped = {"pmap": jax.pmap, "vmap": jax.vmap}[wrap](apply, axis_name="i")
    got, stats = mapped(x)
    np.testing.assert_allclose(got.reshape(8, 3, 3, 5), expected, atol=1e-5)
    for replica in range(4):
        chex.assert_trees_all_close(
            jax.tree.map(lambda s, r=replica: s[r], stats), expected_stats, rtol=1e-5
        )


@pytest.mark.parametrize("train", [False, True])
def test_batch_norm_with_relu_is_relu_of_batch_norm(train):
    x = jax.random.normal(jax.random.key(0), (4, 3, 3, 5))
    plain, rectified = layers.BatchNorm(), layers.BatchNorm(relu=True)
    variables = plain.init(jax.random.key(1), x, True)
    y, stats = plain.apply(variables, x, train, mutable=["batch_stats"])
    got, got_stats = rectified.apply(variables, x, train, mutable=["batch_stats"])
    np.testing.assert_array_equal(got, np.maximum(y, 0))
    chex.assert_trees_all_equal(got_stats, stats)
