"""Landscape modification with Flax Linen: python examples/flax_linen.py

TrainState.apply_gradients does not pass the loss to the optimizer. This subclass does.
Needs Flax: pip install flax
"""

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.training import train_state

from landmod_jax import current, landscape_modify


class MLP(nn.Module):
    @nn.compact
    def __call__(self, x):
        for width in (32, 32):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(1)(x).squeeze(-1)


class TrainState(train_state.TrainState):
    def apply_gradients(self, *, grads, value):
        updates, opt_state = self.tx.update(
            grads, self.opt_state, self.params, value=value
        )
        return self.replace(
            step=self.step + 1,
            params=optax.apply_updates(self.params, updates),
            opt_state=opt_state,
        )


@jax.jit
def train_step(state, x, y):
    def loss_fn(params):
        logits = state.apply_fn({"params": params}, x)
        return optax.sigmoid_binary_cross_entropy(logits, y).mean()

    loss, grads = jax.value_and_grad(loss_fn)(state.params)
    return state.apply_gradients(grads=grads, value=loss), loss


model = MLP()
state = TrainState.create(
    apply_fn=model.apply,
    params=model.init(jax.random.key(0), jnp.zeros((1, 2)))["params"],
    tx=optax.chain(optax.adam(1e-2), landscape_modify()),
)
for i in range(201):
    x = jax.random.normal(jax.random.key(i), (128, 2))
    state, loss = train_step(state, x, (x[:, 0] * x[:, 1] > 0).astype(jnp.float32))
    if i % 50 == 0:
        lm = current(state.opt_state)
        print(f"step {i:3}  loss {loss:.3f}  c {lm.c:.3f}  scale {lm.scale:.3f}")
