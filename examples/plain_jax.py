"""Landscape modification in a plain JAX training loop: python examples/plain_jax.py"""

import jax
import jax.numpy as jnp
import optax

from landmod_jax import current, landscape_modify


def init_params(key, sizes=(2, 32, 32, 1)):
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        {"w": jax.random.normal(k, (n, m)) * jnp.sqrt(2 / n), "b": jnp.zeros(m)}
        for k, n, m in zip(keys, sizes[:-1], sizes[1:])
    ]


def loss_fn(params, batch):
    x, y = batch
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    logits = (x @ params[-1]["w"] + params[-1]["b"]).squeeze(-1)
    return optax.sigmoid_binary_cross_entropy(logits, y).mean()


def make_batch(key, size=128):
    x = jax.random.normal(key, (size, 2))
    return x, (x[:, 0] * x[:, 1] > 0).astype(jnp.float32)


tx = optax.chain(landscape_modify(), optax.sgd(0.1, momentum=0.9))


@jax.jit
def step(params, state, batch):
    loss, grads = jax.value_and_grad(loss_fn)(params, batch)
    updates, state = tx.update(grads, state, params, value=loss)
    return optax.apply_updates(params, updates), state, loss


init_key, data_key = jax.random.split(jax.random.key(0))
params = init_params(init_key)
state = tx.init(params)
for i in range(201):
    batch = make_batch(jax.random.fold_in(data_key, i))
    params, state, loss = step(params, state, batch)
    if i % 50 == 0:
        lm = current(state)
        print(f"step {i:3}  loss {loss:.3f}  c {lm.c:.3f}  scale {lm.scale:.3f}")
