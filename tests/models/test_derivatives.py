"""Derivatives of derivatives, which the layers have in reverse mode."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from models import layers
from models.cpu import conv


def plain_conv(x, w, stride, padding):
    return conv.native(x, w, stride=stride, padding=padding)


def plain_normalize(x, weight, bias, epsilon, axis_name, relu=False):
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    y = weight * (x - mean) / jnp.sqrt(var + epsilon) + bias
    return jax.nn.relu(y) if relu else y, mean, var


def hessian_product(f, p, v):
    return jax.grad(lambda p: optax.tree.vdot(jax.grad(f)(p), v))(p)


def normal_like(tree, seed):
    keys = optax.tree.split_key_like(jax.random.key(seed), tree)
    return jax.tree.map(lambda x, key: jax.random.normal(key, x.shape), tree, keys)


def assert_close(got, expected, tolerance):
    error = optax.tree.norm(optax.tree.sub(got, expected))
    assert error < tolerance * optax.tree.norm(expected)


# (side, in, out, kernel, stride, padding)
CONVOLUTIONS = {
    "pointwise": (5, 6, 4, 1, 1, 0),
    "patches": (6, 3, 5, 3, 2, 1),
    "native": (6, 16, 8, 3, 1, 1),
    "Winograd": (4, 32, 32, 3, 1, 1),
}


def test_second_derivatives_of_convolutions():
    """Of Σ y² by pixels and kernel, for all formulations in one program."""
    shapes = {
        name: (jnp.zeros((2, side, side, inputs)), jnp.zeros((k, k, inputs, outputs)))
        for name, (side, inputs, outputs, k, *_) in CONVOLUTIONS.items()
    }
    p, v = normal_like(shapes, 0), normal_like(shapes, 1)

    def f(convolve, p):
        return sum(
            jnp.square(convolve(*p[name], *shape[-2:])).sum()
            for name, shape in CONVOLUTIONS.items()
        )

    got = jax.jit(functools.partial(hessian_product, functools.partial(f, layers.conv)))
    plain = functools.partial(f, plain_conv)
    expected = jax.jit(lambda p, v: jax.jvp(jax.grad(plain), (p,), (v,))[1])
    got, expected = got(p, v), expected(p, v)
    for name in CONVOLUTIONS:
        assert_close(got[name], expected[name], 1e-5)


def test_second_derivatives_of_max_pooling_in_closed_form():
    """Of Σ max³/6 by the pixels: the maximum at its place on the diagonal, else 0."""
    x = jax.random.permutation(jax.random.key(0), jnp.arange(1.0, 17.0))
    f = lambda x: (layers.max_pool(x.reshape(1, 4, 4, 1)) ** 3).sum() / 6
    windows = np.asarray(x).reshape(2, 2, 2, 2)
    highest = np.broadcast_to(windows.max((1, 3), keepdims=True), windows.shape)
    expected = np.where(windows == highest, windows, 0).reshape(-1)
    hessian = jax.jit(jax.jacrev(jax.jacrev(f)))(x)
    np.testing.assert_allclose(hessian, np.diag(expected))


@pytest.mark.parametrize("relu", [False, True])
def test_second_derivatives_of_batch_norm(relu):
    p = normal_like((jnp.zeros((3, 4, 4, 5)), jnp.zeros(5), jnp.zeros(5)), 0)
    v = normal_like(p, 1)

    def f(normalize, p):
        return (normalize(*p, 1e-5, None, relu)[0] ** 3).sum()

    ours, plain = (
        jax.jit(functools.partial(hessian_product, functools.partial(f, normalize)))
        for normalize in (layers.normalize, plain_normalize)
    )
    assert_close(ours(p, v), plain(p, v), 1e-4)


def test_reverse_mode_passes_through_every_transformation():
    """Of Σ max²: 2·max at the maximum's place, mapped, scanned and checkpointed."""
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    f = jax.jit(lambda x: jnp.square(layers.max_pool(x)).sum())
    expected = jax.grad(f)(x)
    two = jnp.stack([x, x])
    scanned = lambda x: jax.lax.scan(lambda s, x: (s + f(x), None), 0.0, x)[0]
    for got in (
        jax.vmap(jax.grad(f))(two),
        jax.grad(lambda x: jax.vmap(f)(x).sum())(two),
        jax.grad(scanned)(two),
        jax.vmap(jax.grad(jax.checkpoint(f)))(two),
    ):
        np.testing.assert_array_equal(got, jnp.stack([expected, expected]))
