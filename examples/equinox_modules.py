"""Landscape modification with Equinox: python examples/equinox_modules.py

Needs Equinox: pip install equinox
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from landmod_jax import current, landscape_modify

tx = optax.chain(optax.adam(1e-2), landscape_modify())


def loss_fn(model, x, y):
    logits = jax.vmap(model)(x)
    return optax.sigmoid_binary_cross_entropy(logits, y).mean()


@eqx.filter_jit
def train_step(model, state, x, y):
    loss, grads = eqx.filter_value_and_grad(loss_fn)(model, x, y)
    params = eqx.filter(model, eqx.is_inexact_array)
    updates, state = tx.update(grads, state, params, value=loss)
    return eqx.apply_updates(model, updates), state, loss


model = eqx.nn.MLP(
    in_size=2, out_size="scalar", width_size=32, depth=2, key=jax.random.key(0)
)
state = tx.init(eqx.filter(model, eqx.is_inexact_array))
for i in range(201):
    x = jax.random.normal(jax.random.key(i), (128, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(jnp.float32)
    model, state, loss = train_step(model, state, x, y)
    if i % 50 == 0:
        lm = current(state)
        print(f"step {i:3}  loss {loss:.3f}  c {lm.c:.3f}  scale {lm.scale:.3f}")
