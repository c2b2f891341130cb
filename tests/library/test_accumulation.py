"""`accumulate` in half precision, against means in float64."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm


@pytest.mark.parametrize(
    "grads", [(-40_000.0, 40_000.0), (60_000.0, -60_000.0, 30_000.0)]
)
def test_large_float16_gradients_do_not_overflow(grads):
    """Scaled losses bring gradients close to float16's largest number, 65,504."""
    tx = lm.accumulate(optax.sgd(1.0), len(grads))
    w = jnp.zeros(1, jnp.float16)
    state = tx.init(w)
    for grad in grads:
        updates, state = tx.update(jnp.full(1, grad, w.dtype), state, w, value=1.0)
    assert updates.dtype == w.dtype
    np.testing.assert_allclose(updates, -np.mean(grads), rtol=2e-3)
