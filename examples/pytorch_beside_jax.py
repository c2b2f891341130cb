"""LM in PyTorch beside landmod_jax, line by line: python examples/pytorch_beside_jax.py

Both functions train one network, from the same weights and on the same mini-batches.
Lines with the same number do the same thing, and the losses, c and scale are the same.
Needs PyTorch: pip install torch
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

from landmod_jax import current, landscape_modify

STEPS, BATCH, RATE = 100, 32, 0.02
rng = np.random.default_rng(0)
x = rng.normal(size=(STEPS, BATCH, 8)).astype(np.float32)
y = np.tanh(x.sum(axis=2))
w1 = rng.normal(size=(8, 64)).astype(np.float32) / 2
w2 = rng.normal(size=64).astype(np.float32) / 8


class LandscapeModify:
    """landscape_modify() in PyTorch: f(u) = u, ε = 1, c the running minimum."""

    def __init__(self, optimizer):
        self.optimizer, self.c, self.scale = optimizer, float("inf"), 0.0

    def step(self, loss):
        self.c = min(self.c, loss)
        self.scale = 1 / (max(loss - self.c, 0) + 1)
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                p.grad *= self.scale
        self.optimizer.step()


def in_pytorch():
    params = [torch.tensor(w, requires_grad=True) for w in (w1, w2)]  # 1
    optimizer = torch.optim.SGD(params, lr=RATE, momentum=0.9)  # 2
    lm = LandscapeModify(optimizer)  # 3
    seen = []
    for xs, ys in zip(torch.tensor(x), torch.tensor(y)):
        optimizer.zero_grad()
        prediction = torch.relu(xs @ params[0]) @ params[1]  # 4
        loss = torch.mean((prediction - ys) ** 2)  # 5
        loss.backward()  # 6
        lm.step(loss.item())  # 7
        seen.append((loss.item(), lm.c, lm.scale))  # 8
    return np.array(seen)


def in_jax():
    params = [jnp.asarray(w) for w in (w1, w2)]  # 1
    optimizer = optax.sgd(RATE, momentum=0.9)  # 2
    tx = optax.chain(landscape_modify(), optimizer)  # 3
    state = tx.init(params)

    def loss_fn(params, xs, ys):
        prediction = jax.nn.relu(xs @ params[0]) @ params[1]  # 4
        return jnp.mean((prediction - ys) ** 2)  # 5

    @jax.jit
    def step(params, state, xs, ys):
        loss, grads = jax.value_and_grad(loss_fn)(params, xs, ys)  # 6
        updates, state = tx.update(grads, state, params, value=loss)  # 7
        return optax.apply_updates(params, updates), state, loss

    seen = []
    for xs, ys in zip(x, y):
        params, state, loss = step(params, state, xs, ys)
        lm = current(state)
        seen.append((loss, lm.c, lm.scale))  # 8
    return np.array(seen)


theirs, ours = in_pytorch(), in_jax()
print("step   loss in PyTorch, JAX      c in PyTorch, JAX  scale in PyTorch, JAX")
for i in (0, 5, 14, STEPS - 1):
    columns = zip(theirs[i], ours[i])
    print(f"{i:4}  ", "   ".join(f"{a:10.6f} {b:10.6f}" for a, b in columns))
print(f"largest difference: {np.abs(theirs - ours).max():.1e}")
np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
