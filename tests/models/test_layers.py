"""Layers against NumPy by hand."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models import layers
from models.cpu import conv, norm, products, winograd


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
    (7, 9, 4, 6, 3, 1, 1),
    (7, 9, 4, 6, 3, 2, 1),
    (8, 8, 4, 6, 3, 2, 1),
    (5, 5, 8, 4, 1, 1, 0),
    (5, 7, 8, 4, 1, 2, 0),
    (8, 6, 8, 4, 1, 2, 0),
    (2, 2, 64, 64, 3, 1, 1),
    (1, 1, 64, 8, 3, 1, 1),
    (1, 1, 4, 3, 1, 1, 0),
    (9, 9, 3, 4, 5, 1, 0),
    (6, 6, 64, 64, 3, 1, 1),
    (7, 5, 64, 96, 3, 1, 1),
    (16, 16, 65, 64, 3, 1, 1),
    (13, 10, 64, 64, 3, 1, 1),
    (11, 12, 32, 64, 3, 1, 1),
    (1, 1, 64, 64, 3, 1, 1),
    (9, 7, 16, 16, 3, 1, 1),
    (6, 8, 16, 24, 3, 1, 0),
    (1, 1, 16, 16, 3, 1, 1),
    (5, 8, 16, 12, 3, 1, 1),
    (3, 2, 6, 16, 3, 1, 1),
    (9, 7, 6, 16, 5, 1, 0),
    (32, 32, 16, 16, 3, 1, 1),
    (17, 16, 64, 16, 1, 1, 0),
    (7, 9, 8, 4, 5, 1, 2),
    (7, 5, 8, 4, 2, 1, 1),
]


def case_arrays(case, batch=3):
    height, width, inputs, outputs, kernel, _, _ = case
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.normal(keys[0], (batch, height, width, inputs))
    w = jax.random.normal(keys[1], (kernel, kernel, inputs, outputs))
    return x, w / np.sqrt(kernel * kernel * inputs)


@pytest.mark.parametrize("case", CASES)
def test_convolution_by_hand(case, either_xla):
    x, w = case_arrays(case)
    stride, padding = case[-2:]
    convolve = jax.jit(
        lambda x, w: layers.conv(x, w, stride, padding), compiler_options=either_xla
    )
    got = convolve(x, w)
    np.testing.assert_allclose(got, conv_by_hand(x, w, stride, padding), atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_convolution_gradients_equal_the_native_ones(case, either_xla):
    x, w = case_arrays(case)
    stride, padding = case[-2:]

    def native(x, w):
        return jax.lax.conv_general_dilated(
            x,
            w,
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    def loss(function, x, w):
        y = function(x, w)
        probe = jax.random.normal(jax.random.key(2), y.shape)
        return (y * probe).sum()

    got = jax.jit(
        jax.grad(
            lambda x, w: loss(lambda *a: layers.conv(*a, stride, padding), x, w),
            argnums=(0, 1),
        ),
        compiler_options=either_xla,
    )(x, w)
    expected = jax.jit(jax.grad(lambda x, w: loss(native, x, w), argnums=(0, 1)))(x, w)
    for g, e in zip(got, expected):
        error = np.linalg.norm(g - e) / np.linalg.norm(e)
        assert error < 1e-5


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 10), (1, 1)])
def test_winograd_and_its_gradients_are_within_a_hundred_thousandth(
    side, height, width
):
    x, w = case_arrays((height, width, 64, 48, 3, 1, 1))
    g = jax.random.normal(jax.random.key(2), (*x.shape[:3], 48))

    def both(function, x, w):
        y, pull_back = jax.vjp(function, x, w)
        return y, *pull_back(g)

    def native(x, w):
        return conv.native(x, w, stride=1, padding=1)

    got = jax.jit(lambda *a: both(lambda x, w: winograd.winograd(x, w, side), *a))(x, w)
    expected = jax.jit(lambda *a: both(native, *a))(x, w)
    for ours, theirs in zip(got, expected):
        error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        assert error < 1e-5


@pytest.mark.parametrize(("a", "b"), [(3, 5), (5, 3), (4, 4), (16, 20)])
def test_products_over_rows_whichever_is_wider(a, b):
    rows = [np.random.default_rng(0).normal(size=(17, n)) for n in (a, b)]
    got = jax.jit(products.over_rows)(*(jnp.float32(x) for x in rows))
    np.testing.assert_allclose(got, rows[0].T @ rows[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 4, 4, 3), (2, 5, 7, 3), (1, 2, 2, 1)])
def test_max_pool_by_hand_and_its_gradient_goes_to_the_first_maximum(shape):
    x = jax.random.randint(jax.random.key(0), shape, 0, 3).astype(jnp.float32)  # ties
    b, height, width, c = shape
    rows, columns = height // 2, width // 2
    windows = np.asarray(x)[:, : 2 * rows, : 2 * columns]
    windows = windows.reshape(b, rows, 2, columns, 2, c).transpose(0, 1, 3, 5, 2, 4)
    windows = windows.reshape(b, rows, columns, c, 4)
    pooled = jax.jit(layers.max_pool)(x)
    np.testing.assert_array_equal(pooled, windows.max(-1))
    cotangent = jax.random.normal(jax.random.key(1), pooled.shape)
    (got,) = jax.jit(lambda x, g: jax.vjp(layers.max_pool, x)[1](g))(x, cotangent)
    expected = np.zeros(windows.shape, np.float32)
    np.put_along_axis(
        expected, windows.argmax(-1)[..., None], np.asarray(cotangent)[..., None], -1
    )
    expected = expected.reshape(b, rows, columns, c, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    expected = expected.reshape(b, 2 * rows, 2 * columns, c)
    whole = np.zeros(shape, np.float32)
    whole[:, : 2 * rows, : 2 * columns] = expected
    np.testing.assert_array_equal(got, whole)


def norm_by_hand(x, mean, var):
    return (x - mean) / np.sqrt(var + 1e-5)


def test_batch_norm_by_hand():
    """Training: the biased variance normalises, the unbiased one is kept."""
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


def test_batch_norm_keeps_its_digits_where_the_mean_is_large():
    x = 1e4 + jax.random.normal(jax.random.key(0), (64, 4, 4, 2))
    _, var = norm.batch_moments(x, None)
    np.testing.assert_allclose(var, np.asarray(x, np.float64).var((0, 1, 2)), rtol=1e-3)


def test_batch_moments_keep_their_digits_where_the_first_rows_are_unlike_the_rest():
    """The mean that is taken off beforehand is that of these rows."""
    x = jax.random.normal(jax.random.key(0), (64, 8, 4, 2))
    x = 1e3 + x.at[:, 0].add(1e4)
    mean, var = norm.batch_moments(x, None)
    wide = np.asarray(x, np.float64)
    np.testing.assert_allclose(mean, wide.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(var, wide.var((0, 1, 2)), rtol=1e-5)


def test_the_variance_of_what_does_not_vary_is_not_negative():
    x = jnp.broadcast_to(jnp.logspace(-8, 9, 500), (3, 7, 7, 500))
    _, var = jax.jit(lambda x: norm.batch_moments(x, None))(x)
    assert (var >= 0).all()


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


def plain_normalise(x, weight, bias):
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
        return norm.normalise(*arrays, 1e-5, None, relu)[0]

    def plain(*arrays):
        y = plain_normalise(*arrays)
        return jax.nn.relu(y) if relu else y

    got = jax.vjp(ours, x, weight, bias)[1](g)
    expected = jax.vjp(plain, x, weight, bias)[1](g)
    chex.assert_trees_all_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("train", [False, True])
def test_batch_norm_with_relu_is_relu_of_batch_norm(train):
    x = jax.random.normal(jax.random.key(0), (4, 3, 3, 5))
    plain, rectified = layers.BatchNorm(), layers.BatchNorm(relu=True)
    variables = plain.init(jax.random.key(1), x, True)
    y, stats = plain.apply(variables, x, train, mutable=["batch_stats"])
    got, got_stats = rectified.apply(variables, x, train, mutable=["batch_stats"])
    np.testing.assert_array_equal(got, np.maximum(y, 0))
    chex.assert_trees_all_equal(got_stats, stats)


@pytest.mark.parametrize(
    "shape", [(5, 3), (1, 2), (3, 1, 1, 4), (2, 5, 3, 2), (2, 12, 3, 2), (4, 16, 2, 3)]
)
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
    got = jax.vjp(lambda *a: norm.normalise(*a, 1e-5, None)[0], x, ones, ones)[1](g)
    with jax.enable_x64(True):
        wide = [jnp.asarray(np.asarray(a), jnp.float64) for a in (x, ones, ones, g)]
        expected = jax.vjp(plain_normalise, *wide[:3])[1](wide[3])
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
            return norm.normalise(x, weight, bias, 1e-5, "i")[0]

        dx, dw, db = jax.vjp(function, x, weight, bias)[1](g)
        return dx, jax.lax.psum(dw, "i"), jax.lax.psum(db, "i")

    dx, dw, db = jax.pmap(local, axis_name="i")(x, g)
    whole = (array.reshape(8, 3, 3, 5) for array in (x, g))
    x, g = whole
    expected = jax.vjp(plain_normalise, x, weight, bias)[1](g)
    chex.assert_trees_all_close(
        (dx.reshape(x.shape), dw[0], db[0]), expected, rtol=1e-4, atol=1e-5
    )
