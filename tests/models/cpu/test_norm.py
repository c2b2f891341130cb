"""Batch normalization's arithmetic against NumPy by hand and autodiff."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.cpu import norm


def test_batch_moments_keep_their_digits_where_the_first_rows_are_unlike_the_rest():
    """The mean that is taken off beforehand is that of these rows."""
    x = jax.random.normal(jax.random.key(0), (64, 8, 4, 2))
    x = 1e3 + x.at[:, 0].add(1e4)
    mean, var = norm.batch_moments(x, None)
    wide = np.asarray(x, np.float64)
    np.testing.assert_allclose(mean, wide.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(var, wide.var((0, 1, 2)), rtol=3e-5)


def test_the_variance_of_what_does_not_vary_is_not_negative():
    x = jnp.broadcast_to(jnp.logspace(-8, 9, 500), (3, 7, 7, 500))
    _, var = jax.jit(lambda x: norm.batch_moments(x, None))(x)
    assert (var >= 0).all()


def plain_normalize(x, weight, bias):
    """The same by its definition, for autodiff."""
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return weight * (x - mean) / jnp.sqrt(var + 1e-5) + bias


@pytest.mark.parametrize("relu", [False, True])
def test_the_gradient_of_batch_norm_equals_autodiffs(relu):
    keys = jax.random.split(jax.random.key(0), 4)
    x = 2 + 3 * jax.random.normal(keys[0], (4, 5, 3, 7))
    weight, bias = (jax.random.normal(key, (7,)) for key in keys[1:3])
    g = jax.random.normal(keys[3], x.shape)

    def ours(*arrays):
        return norm.normalize(*arrays, 1e-5, None, relu)[0]

    def plain(*arrays):
        y = plain_normalize(*arrays)
        return jax.nn.relu(y) if relu else y

    got, expected = (
        jax.jit(lambda g, f=f: jax.vjp(f, x, weight, bias)[1](g))(g)
        for f in (ours, plain)
    )
    chex.assert_trees_all_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 3), (3, 1, 1, 4), (2, 5, 3, 2), (2, 12, 3, 2)])
def test_channel_sums(shape):
    """Over shapes that can and cannot be cut into equal slices."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, *shape))
    scale = random.normal(size=shape[-1])

    def terms(x, y):
        return x * y * scale + x, x - y

    got = jax.jit(lambda x, y: norm.channel_sums(terms, x, y))(
        jnp.float32(x), jnp.float32(y)
    )
    for ours, term in zip(got, terms(x, y), strict=True):
        expected = term.reshape(-1, shape[-1]).sum(0)
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_the_gradient_of_batch_norm_keeps_its_digits_where_the_mean_is_large():
    keys = jax.random.split(jax.random.key(0), 2)
    x = 100 + jax.random.normal(keys[0], (64, 4, 4, 2))
    g = jax.random.normal(keys[1], x.shape)
    ones = jnp.ones(2)
    ours = lambda *a: norm.normalize(*a, 1e-5, None)[0]
    got = jax.jit(lambda g: jax.vjp(ours, x, ones, ones)[1](g))(g)
    with jax.enable_x64(True):
        wide = [jnp.asarray(np.asarray(a), jnp.float64) for a in (x, ones, ones, g)]
        expected = jax.vjp(plain_normalize, *wide[:3])[1](wide[3])
    for ours, theirs in zip(got, expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_the_gradient_of_batch_norm_over_an_axis_is_that_of_the_whole_batch():
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.normal(keys[0], (4, 2, 3, 3, 5)) + jnp.arange(4.0).reshape(
        4, 1, 1, 1, 1
    )
    g = jax.random.normal(keys[1], x.shape)
    weight, bias = jnp.linspace(0.5, 1.5, 5), jnp.zeros(5)

    def local(x, g):
        def function(x, weight, bias):
            return norm.normalize(x, weight, bias, 1e-5, "i")[0]

        dx, dw, db = jax.vjp(function, x, weight, bias)[1](g)
        return dx, jax.lax.psum(dw, "i"), jax.lax.psum(db, "i")

    dx, dw, db = jax.pmap(local, axis_name="i")(x, g)
    whole = (array.reshape(8, 3, 3, 5) for array in (x, g))
    x, g = whole
    expected = jax.vjp(plain_normalize, x, weight, bias)[1](g)
    chex.assert_trees_all_close(
        (dx.reshape(x.shape), dw[0], db[0]), expected, rtol=1e-4, atol=1e-5
    )
