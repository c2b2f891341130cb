"""What the library computes by itself promotes no dtype implicitly.

The fixture of conftest.py makes JAX refuse it here.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm
from landmod_jax import annealing
from tests.library.cases import THRESHOLDS

SHAPES = ("linear", "quadratic", "sqrt", "cbrt", "bounded", lm.power(0.7))
LEAVES = (jnp.bfloat16, jnp.float16, jnp.float32, jnp.complex64, jnp.int32)


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("loss", [jnp.bfloat16, jnp.int32])
def test_an_update_of_every_dtype_with_every_shape(threshold, loss):
    grads = {str(i): jnp.ones(2, dtype) for i, dtype in enumerate(LEAVES)}
    for shape, eps in zip(SHAPES, (0.5, np.float32(1), jnp.array(2.0)) * 2):
        tx = lm.landscape_modify(shape, eps, threshold=THRESHOLDS[threshold])
        state = tx.init(grads)
        for value in (3, 2):
            updates, state = tx.update(grads, state, value=jnp.asarray(value, loss))
        for name, update in updates.items():
            assert update.dtype == grads[name].dtype
            expected = 1 if update.dtype == jnp.int32 else state.scale
            np.testing.assert_allclose(np.asarray(update).real, expected, rtol=8e-3)


@pytest.mark.parametrize("shape", ["sqrt", "bounded", lambda u: u])
def test_the_landscape_of_every_dtype(shape):
    expected = lm.landscape(jnp.array([0.0, 1.0, 3.0]), 1.0, 1.0, shape, 0.0)
    for dtype in (jnp.bfloat16, jnp.int32):
        u = jnp.array([0, 1, 3], dtype)
        np.testing.assert_allclose(
            lm.landscape(u, jnp.asarray(1, dtype), 1, shape, 0), expected, rtol=1e-6
        )


def test_noise_behind_a_chain():
    grads = {str(i): jnp.ones(2, dtype) for i, dtype in enumerate(LEAVES[:3])}
    for T in (0.1, jnp.array(0.1), annealing.logarithmic(1.0)):
        tx = annealing.langevin_noise(0.1, T, 0)
        updates, _ = tx.update(grads, tx.init(grads), grads)
        assert [u.dtype for u in jax.tree.leaves(updates)] == [*LEAVES[:3]]
