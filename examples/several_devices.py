"""Data parallelism over all devices: python examples/several_devices.py

To try it on a CPU, set JAX_NUM_CPU_DEVICES=8. With jit over a mesh there is nothing to
change. With shard_map or pmap, average the loss as well as the gradients; otherwise
each replica has its own c, and the replicas drift apart.
"""

import jax
import jax.numpy as jnp
import optax

from landmod_jax import current, landscape_modify

DEVICES = jax.device_count()


def loss_fn(w, x, y):
    return jnp.mean((x @ w - y) ** 2)


def with_mesh(x, y, steps=20):
    mesh = jax.make_mesh((DEVICES,), ("batch",), (jax.sharding.AxisType.Auto,))
    split = jax.NamedSharding(mesh, jax.P("batch"))
    x, y = jax.device_put((x, y), split)
    tx = optax.chain(optax.adam(0.1), landscape_modify())

    @jax.jit
    def step(w, state):
        loss, grads = jax.value_and_grad(loss_fn)(w, x, y)
        updates, state = tx.update(grads, state, w, value=loss)
        return optax.apply_updates(w, updates), state

    w = jax.device_put(jnp.zeros(5), jax.NamedSharding(mesh, jax.P()))
    state = tx.init(w)
    for _ in range(steps):
        w, state = step(w, state)
    return w, current(state).c


def with_pmap(x, y, steps=20):
    x, y = (a.reshape(DEVICES, -1, *a.shape[1:]) for a in (x, y))
    tx = optax.chain(optax.adam(0.1), landscape_modify(axis_name="batch"))

    def train(x, y):
        w = jnp.zeros(5)
        state = tx.init(w)
        for _ in range(steps):
            loss, grads = jax.value_and_grad(loss_fn)(w, x, y)
            grads = jax.lax.pmean(grads, "batch")
            updates, state = tx.update(grads, state, w, value=loss)  # averages the loss
            w = optax.apply_updates(w, updates)
        return w, current(state).c

    w, c = jax.pmap(train, axis_name="batch")(x, y)
    return w[0], c[0]


x = jax.random.normal(jax.random.key(0), (16 * DEVICES, 5))
y = x @ jnp.arange(5.0)
results = {"mesh": with_mesh(x, y), "pmap": with_pmap(x, y)}
for name, (w, c) in results.items():
    print(f"{DEVICES} devices, {name}: w {w.round(4)}  c {c:.4f}")
assert jnp.allclose(results["mesh"][0], jax.device_get(results["pmap"][0]), atol=1e-4)
