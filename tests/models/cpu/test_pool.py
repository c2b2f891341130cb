"""Max pooling against NumPy by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.cpu import pool


@pytest.mark.parametrize("platform", ["cpu", "cuda"])
def test_no_platform_scatters_the_gradient(platform):
    x = jax.ShapeDtypeStruct((2, 4, 4, 3), jnp.float32)
    gradient = jax.jit(jax.grad(lambda x: pool.max_pool(x).sum()))
    text = gradient.trace(x).lower(lowering_platforms=(platform,)).as_text()
    assert "maximum" in text
    assert "reduce_window" not in text
    assert "scatter" not in text


def test_max_pool_by_hand_and_its_gradient_goes_to_the_first_maximum():
    shape = (2, 5, 7, 3)
    x = jax.random.randint(jax.random.key(0), shape, 0, 3).astype(jnp.float32)  # ties
    b, height, width, c = shape
    rows, columns = height // 2, width // 2
    windows = np.asarray(x)[:, : 2 * rows, : 2 * columns]
    windows = windows.reshape(b, rows, 2, columns, 2, c).transpose(0, 1, 3, 5, 2, 4)
    windows = windows.reshape(b, rows, columns, c, 4)
    pooled = jax.jit(pool.max_pool)(x)
    np.testing.assert_array_equal(pooled, windows.max(-1))
    cotangent = jax.random.normal(jax.random.key(1), pooled.shape)
    (got,) = jax.jit(lambda x, g: jax.vjp(pool.max_pool, x)[1](g))(x, cotangent)
    expected = np.zeros(windows.shape, np.float32)
    np.put_along_axis(
        expected, windows.argmax(-1)[..., None], np.asarray(cotangent)[..., None], -1
    )
    expected = expected.reshape(b, rows, columns, c, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    expected = expected.reshape(b, 2 * rows, 2 * columns, c)
    whole = np.zeros(shape, np.float32)
    whole[:, : 2 * rows, : 2 * columns] = expected
    np.testing.assert_array_equal(got, whole)
