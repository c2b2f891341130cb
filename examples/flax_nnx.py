"""Landscape modification with Flax NNX: python examples/flax_nnx.py

Needs Flax: pip install flax
"""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from landmod_jax import current, landscape_modify


class MLP(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(2, 32, rngs=rngs)
        self.second = nnx.Linear(32, 32, rngs=rngs)
        self.last = nnx.Linear(32, 1, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.first(x))
        x = nnx.relu(self.second(x))
        return self.last(x).squeeze(-1)


def loss_fn(model, x, y):
    return optax.sigmoid_binary_cross_entropy(model(x), y).mean()


@nnx.jit
def train_step(model, optimizer, x, y):
    loss, grads = nnx.value_and_grad(loss_fn)(model, x, y)
    optimizer.update(model, grads, value=loss)  # passes value on
    return loss


model = MLP(nnx.Rngs(0))
tx = optax.chain(optax.adam(1e-2), landscape_modify())
optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
for i in range(201):
    x = jax.random.normal(jax.random.key(i), (128, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(jnp.float32)
    loss = train_step(model, optimizer, x, y)
    if i % 50 == 0:
        lm = current(optimizer)
        print(f"step {i:3}  loss {loss:.3f}  c {lm.c:.3f}  scale {lm.scale:.3f}")
