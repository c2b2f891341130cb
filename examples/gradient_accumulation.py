"""Gradient accumulation: python examples/gradient_accumulation.py

`accumulate` averages the loss as well as the gradients, so that four micro-batches give
the same step as one large batch. `optax.MultiSteps` would pass only the last
micro-batch's loss.
"""

import jax
import jax.numpy as jnp
import optax

from landmod_jax import accumulate, current, landscape_modify


def loss_fn(w, batch):
    x, y = batch
    return jnp.mean((x @ w - y) ** 2)


def train(tx, batches):
    w = jnp.zeros(5)
    state = tx.init(w)

    @jax.jit
    def step(w, state, batch):
        loss, grads = jax.value_and_grad(loss_fn)(w, batch)
        updates, state = tx.update(grads, state, w, value=loss)
        return optax.apply_updates(w, updates), state

    for batch in batches:
        w, state = step(w, state, batch)
    return w, current(state).c


x = jax.random.normal(jax.random.key(0), (10, 64, 5))
y = x @ jnp.arange(5.0)
large = list(zip(x, y))
micro = [
    batch for bx, by in large for batch in zip(bx.reshape(4, 16, 5), by.reshape(4, 16))
]

inner = optax.chain(optax.adam(0.1), landscape_modify())
w_large, c_large = train(inner, large)
w_micro, c_micro = train(accumulate(inner, every=4), micro)
print(f"10 large batches:    w {w_large.round(4)}  c {c_large:.4f}")
print(f"40 micro-batches:    w {w_micro.round(4)}  c {c_micro:.4f}")
assert jnp.allclose(w_large, w_micro, atol=1e-5)
assert jnp.allclose(c_large, c_micro, rtol=1e-5)
