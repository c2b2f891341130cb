"""`accumulate` in half precision, against means in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import landmod_jax as lm


def test_large_float16_gradients_do_not_overflow():
    """Scaled losses bring gradients close to float16's largest number, 65,504."""
    grads = (60_000.0, -60_000.0, 30_000.0)
    tx = lm.accumulate(optax.sgd(1.0), len(grads))
    w = jnp.zeros(1, jnp.float16)
    state = tx.init(w)
    for grad in grads:
        updates, state = tx.update(jnp.full(1, grad, w.dtype), state, w, value=1.0)
    assert updates.dtype == w.dtype
    np.testing.assert_allclose(updates, -np.mean(grads), rtol=2e-3)


def test_the_mean_of_many_narrow_gradients_is_rounded_once():
    """A running mean in bfloat16 stops moving after about 256 of them."""
    dtype, every = "bfloat16", 1024
    grads = jnp.asarray(np.linspace(1, 3, every)[:, None] * np.ones(8), dtype)
    tx, w = lm.accumulate(optax.sgd(1.0), every), jnp.zeros(8, dtype)

    def step(state, grad):
        updates, state = tx.update(grad, state, w, value=1.0)
        return state, updates

    updates = jax.lax.scan(step, tx.init(w), grads)[1]
    mean = np.asarray(grads, np.float64).mean(0)
    assert updates.dtype == dtype
    assert not np.asarray(updates[:-1], np.float32).any()
    np.testing.assert_allclose(
        -np.asarray(updates[-1], np.float64), mean, rtol=float(jnp.finfo(dtype).eps)
    )
