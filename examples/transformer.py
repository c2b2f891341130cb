"""A small transformer that predicts characters: python examples/transformer.py

It learns from Python's own reference, which comes with Python. LM is placed after Adam.
Needs Flax: pip install flax
"""

from pydoc_data.topics import topics

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from landmod_jax import current, landscape_modify

CONTEXT, BATCH = 32, 16
text = "\n".join(topics.values())
characters = sorted(set(text))
tokens = np.searchsorted(characters, list(text))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        mask = nn.make_causal_mask(x[..., 0])
        x = x + nn.SelfAttention(num_heads=4)(nn.LayerNorm()(x), mask=mask)
        y = nn.gelu(nn.Dense(4 * x.shape[-1])(nn.LayerNorm()(x)))
        return x + nn.Dense(x.shape[-1])(y)


class Transformer(nn.Module):
    width: int = 64
    depth: int = 2

    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(len(characters), self.width)(tokens)
        x = x + nn.Embed(CONTEXT, self.width)(jnp.arange(tokens.shape[1]))
        for _ in range(self.depth):
            x = Block()(x)
        return nn.Dense(len(characters))(nn.LayerNorm()(x))


model = Transformer()
tx = optax.chain(optax.adamw(0.003), landscape_modify())


def loss_fn(params, batch):
    logits = model.apply(params, batch[:, :-1])
    return optax.softmax_cross_entropy_with_integer_labels(logits, batch[:, 1:]).mean()


@jax.jit
def step(params, state, batch):
    loss, grads = jax.value_and_grad(loss_fn)(params, batch)
    updates, state = tx.update(grads, state, params, value=loss)
    return optax.apply_updates(params, updates), state, loss


params = model.init(jax.random.key(0), jnp.zeros((1, CONTEXT), int))
state = tx.init(params)
rng = np.random.default_rng(0)
for i in range(201):
    starts = rng.integers(0, len(tokens) - CONTEXT, BATCH)
    batch = tokens[starts[:, None] + np.arange(CONTEXT + 1)]
    params, state, loss = step(params, state, batch)
    if i % 50 == 0:
        lm = current(state)
        print(f"step {i:3}  loss {loss:.3f}  c {lm.c:.3f}  scale {lm.scale:.3f}")
