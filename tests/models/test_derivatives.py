"""Derivatives of derivatives: right in reverse mode, and an error in forward mode."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from models import layers
from models.cpu import conv
from models.cpu.reverse import MESSAGE


def plain_conv(x, w, stride, padding):
    return conv.native(x, w, stride=stride, padding=padding)


def plain_pool(x):
    return nn.max_pool(x, (2, 2), (2, 2))


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


class Network(nn.Module):
    """A small one of `models.layers`, or the same in plain Flax."""

    plain: bool = False

    @nn.compact
    def __call__(self, x):
        if self.plain:
            conv, dense, pool = nn.Conv(8, (3, 3)), nn.Dense(3), plain_pool
            norm = lambda x: nn.relu(nn.BatchNorm(use_running_average=False)(x))
        else:
            conv, dense, pool = layers.Conv(8), layers.Dense(3), layers.max_pool
            norm = lambda x: layers.BatchNorm(relu=True)(x, train=True)
        x = pool(norm(nn.tanh(conv(x))))
        return dense(x.reshape(len(x), -1))


@functools.cache
def losses_and_parameters():
    """The small network's loss by its parameters, in `models.layers` and in Flax."""
    images = jax.random.normal(jax.random.key(0), (4, 6, 6, 3))
    params = Network().init(jax.random.key(1), images)["params"]

    def loss(net, params):
        logits, _ = net.apply({"params": params}, images, mutable=["batch_stats"])
        return jnp.square(logits).sum()

    ours, plain = (functools.partial(loss, Network(plain)) for plain in (False, True))
    return ours, plain, params


def test_hessian_products_of_a_network_are_plain_flaxs():
    ours, plain, p = losses_and_parameters()
    v = normal_like(p, 3)
    got = jax.jit(functools.partial(hessian_product, ours))(p, v)
    expected = jax.jit(lambda p, v: jax.jvp(jax.grad(plain), (p,), (v,))[1])(p, v)
    assert_close(got, expected, 1e-4)


def test_the_tangent_by_reverse_mode_is_plain_flaxs_jvp():
    ours, plain, p = losses_and_parameters()
    v = normal_like(p, 3)

    @jax.jit
    def tangent(p, v):
        y, vjp = jax.vjp(ours, p)
        return jax.vjp(vjp, y)[1]((v,))

    expected = jax.jit(lambda p, v: jax.jvp(plain, (p,), (v,))[1])(p, v)
    np.testing.assert_allclose(tangent(p, v)[0], expected, rtol=1e-4)


FORWARD = {
    "jvp": lambda f, p: jax.jvp(f, (p,), (p,)),
    "jvp of jit": lambda f, p: jax.jvp(jax.jit(f), (p,), (p,)),
    "jit of jvp": lambda f, p: jax.jit(lambda p: jax.jvp(f, (p,), (p,)))(p),
    "linearize": lambda f, p: jax.linearize(f, p)[1](p),
    "forward over reverse": lambda f, p: jax.jvp(jax.grad(f), (p,), (p,)),
    "reverse over forward": lambda f, p: jax.grad(lambda p: jax.jvp(f, (p,), (p,))[1])(
        p
    ),
    "jacfwd": lambda f, p: jax.jacfwd(f)(p),
    "hessian": lambda f, p: jax.hessian(f)(p),
    "jit of hessian": lambda f, p: jax.jit(jax.hessian(f))(p),
}
IMAGE = (1, 4, 4, 2)
LAYERS = {
    "convolution": (IMAGE, lambda p: layers.conv(p, jnp.ones((3, 3, 2, 2)), 1, 1)),
    "kernel": ((3, 3, 2, 2), lambda p: layers.conv(jnp.ones(IMAGE), p, 1, 1)),
    "max pooling": (IMAGE, layers.max_pool),
    "batch norm": (IMAGE, lambda p: layers.normalize(p, *jnp.ones((2, 2)), 1, None)[0]),
}


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *(("convolution", mode) for mode in FORWARD),
        *((name, "jit of hessian") for name in LAYERS if name != "convolution"),
    ],
)
def test_forward_mode_is_told_what_to_do_instead(name, mode):
    (shape, layer), mode = LAYERS[name], FORWARD[mode]
    with pytest.raises(TypeError) as error:
        mode(lambda p: jnp.sin(layer(p)).sum(), jnp.ones(shape))
    assert str(error.value) == MESSAGE


def test_forward_mode_of_a_network_is_told_what_to_do_instead():
    ours, _, p = losses_and_parameters()
    with pytest.raises(TypeError, match=r"jax.jacrev\(jax.jacrev\(f\)\)\(p\)"):
        jax.jvp(jax.grad(ours), (p,), (p,))


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
