"""Fine-tuning with a reset of c: python examples/fine_tuning.py

The new task starts with a higher loss than the old one ended with. If c stayed at the
old minimum, every step would be short. `reset` makes the threshold forget it.
"""

import jax
import jax.numpy as jnp
import optax

from landmod_jax import current, landscape_modify, reset

tx = optax.chain(landscape_modify(), optax.sgd(0.05))


def loss_fn(w, x, y):
    return jnp.mean((x @ w - y) ** 2)


@jax.jit
def step(w, state, x, y):
    loss, grads = jax.value_and_grad(loss_fn)(w, x, y)
    updates, state = tx.update(grads, state, w, value=loss)
    return optax.apply_updates(w, updates), state, loss


def train(name, w, state, x, y, steps=50):
    for i in range(steps):
        w, state, loss = step(w, state, x, y)
        if i in (0, steps - 1):
            lm = current(state)
            print(f"{name:22} loss {loss:7.3f}  c {lm.c:7.3f}  scale {lm.scale:.3f}")
    return w, state, loss


x = jax.random.normal(jax.random.key(0), (64, 5))
old_task = x, x @ jnp.arange(5.0)
noise = jax.random.normal(jax.random.key(1), (64,))
new_task = x, x @ -jnp.arange(5.0) + 3 * noise  # its loss cannot fall to 0

w = jnp.zeros(5)
w, state, _ = train("old task", w, tx.init(w), *old_task, steps=200)

kept = train("new task, c kept", w, state, *new_task)
state = reset(tx, state, w)
forgot = train("new task, c reset", w, state, *new_task)
assert forgot[2] < kept[2]
