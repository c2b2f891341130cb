"""Convolutions against NumPy by hand and XLA's own."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.cpu import conv, products


def conv_by_hand(x, w, stride, padding):
    """Cross-correlation, one output pixel after another, in float64."""
    x = np.pad(
        np.asarray(x, np.float64),
        ((0, 0), (padding, padding), (padding, padding), (0, 0)),
    )
    w = np.asarray(w, np.float64)
    k = w.shape[0]
    height, width = ((side - k) // stride + 1 for side in x.shape[1:3])
    y = np.zeros((len(x), height, width, w.shape[3]))
    for i, j in itertools.product(range(height), range(width)):
        window = x[:, i * stride : i * stride + k, j * stride : j * stride + k]
        y[:, i, j] = np.tensordot(window, w, axes=3)
    return y


# (height, width, in, out, kernel, stride, padding)
CASES = [
    (8, 8, 3, 5, 3, 1, 1),
    (7, 9, 4, 6, 3, 2, 1),
    (5, 5, 8, 4, 1, 1, 0),
    (5, 7, 8, 4, 1, 2, 0),
    (2, 2, 64, 64, 3, 1, 1),
    (13, 10, 32, 64, 3, 1, 1),
    (16, 16, 65, 64, 3, 1, 1),
    (1, 1, 64, 64, 3, 1, 1),
    (9, 7, 16, 16, 3, 1, 1),
    (6, 8, 16, 24, 3, 1, 0),
    (9, 7, 6, 16, 5, 1, 0),
    (7, 9, 8, 4, 5, 1, 2),
    (7, 5, 8, 4, 2, 1, 1),
]


def case_arrays(case, batch=3):
    height, width, inputs, outputs, kernel, _, _ = case
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.normal(keys[0], (batch, height, width, inputs))
    w = jax.random.normal(keys[1], (kernel, kernel, inputs, outputs))
    return x, w / np.sqrt(kernel * kernel * inputs)


def with_gradients(function, x, w):
    """Its value, and the gradients of its product with something random."""
    y, pull_back = jax.vjp(function, x, w)
    return y, *pull_back(jax.random.normal(jax.random.key(2), y.shape))


@functools.cache
def native_gradients(case):
    *_, stride, padding = case

    def native(x, w):
        return jax.lax.conv_general_dilated(
            x,
            w,
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    return jax.jit(functools.partial(with_gradients, native))(*case_arrays(case))[1:]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("either_xla")
def test_convolution_by_hand_and_its_gradients_equal_the_native_ones(case):
    x, w = case_arrays(case)
    *_, stride, padding = case
    convolve = functools.partial(conv.conv, stride=stride, padding=padding)
    y, *got = jax.jit(functools.partial(with_gradients, convolve))(x, w)
    np.testing.assert_allclose(y, conv_by_hand(x, w, stride, padding), atol=1e-5)
    for g, e in zip(got, native_gradients(case), strict=True):
        assert np.linalg.norm(g - e) < 1e-5 * np.linalg.norm(e)


@pytest.mark.parametrize(("a", "b"), [(3, 5), (5, 3), (16, 20)])
def test_products_over_rows_whichever_is_wider(a, b):
    rows = [np.random.default_rng(0).normal(size=(17, n)) for n in (a, b)]
    got = jax.jit(products.over_rows)(*(jnp.float32(x) for x in rows))
    np.testing.assert_allclose(got, rows[0].T @ rows[1], rtol=1e-4, atol=1e-5)
