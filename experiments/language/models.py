"""The networks: a transformer and an LSTM that predict the next character.

Pure functions of a tree of matrices and vectors. Matrices have variance 1 / inputs,
embeddings and the last layer a deviation of 0.02, so that a fresh network guesses.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.language.options import Shape

Params = Any


def _affine(layer: Params, x: jax.Array) -> jax.Array:
    return x @ layer["w"] + layer["b"]


def _layer(
    key: jax.Array, inputs: int, outputs: int, deviation: float | None = None
) -> Params:
    deviation = 1 / math.sqrt(inputs) if deviation is None else deviation
    w = deviation * jax.random.normal(key, (inputs, outputs))
    return {"w": w, "b": jnp.zeros(outputs)}


def _embedding(key: jax.Array, *shape: int) -> jax.Array:
    return 0.02 * jax.random.normal(key, shape)


def _norm(width: int) -> Params:
    return {"scale": jnp.ones(width), "bias": jnp.zeros(width)}


def _normalized(norm: Params, x: jax.Array) -> jax.Array:
    return jax.nn.standardize(x, epsilon=1e-5) * norm["scale"] + norm["bias"]


def _init_transformer(key: jax.Array, shape: Shape, characters: int) -> Params:
    n = shape.width
    ends, *blocks = jax.random.split(key, shape.depth + 1)
    embedding, positions, out = jax.random.split(ends, 3)
    # Branches that are added up start with a smaller variance, as in GPT-2.
    last = 1 / math.sqrt(2 * shape.depth)

    def block(key: jax.Array) -> Params:
        qkv, mixed, up, down = jax.random.split(key, 4)
        return {
            "norm": _norm(n),
            "qkv": _layer(qkv, n, 3 * n),
            "mixed": _layer(mixed, n, n, last / math.sqrt(n)),
            "middle": _norm(n),
            "up": _layer(up, n, 4 * n),
            "down": _layer(down, 4 * n, n, last / math.sqrt(4 * n)),
        }

    return {
        "embedding": _embedding(embedding, characters, n),
        "positions": _embedding(positions, shape.context, n),
        "blocks": [block(key) for key in blocks],
        "norm": _norm(n),
        "out": _layer(out, n, characters, 0.02),
    }


def _transformer(shape: Shape, params: Params, tokens: jax.Array) -> jax.Array:
    """Pre-normalized blocks of causal attention and a GELU layer, as in GPT-2."""
    x = params["embedding"][tokens] + params["positions"]
    for block in params["blocks"]:
        qkv = _affine(block["qkv"], _normalized(block["norm"], x))
        heads = (
            part.reshape(*part.shape[:2], shape.heads, -1)
            for part in jnp.split(qkv, 3, axis=-1)
        )
        mixed = jax.nn.dot_product_attention(*heads, is_causal=True)
        x = x + _affine(block["mixed"], mixed.reshape(x.shape))
        up = jax.nn.gelu(_affine(block["up"], _normalized(block["middle"], x)))
        x = x + _affine(block["down"], up)
    return _affine(params["out"], _normalized(params["norm"], x))


def _init_lstm(key: jax.Array, shape: Shape, characters: int) -> Params:
    embedding, inputs, again, out = jax.random.split(key, 4)
    n = shape.hidden
    gates = _layer(inputs, shape.width, 4 * n)
    # The forget gates start open (Jozefowicz and others, 2015).
    gates["b"] = gates["b"].at[n : 2 * n].set(1.0)
    return {
        "embedding": _embedding(embedding, characters, shape.width),
        "in": gates,
        "again": _layer(again, n, 4 * n)["w"],
        "out": _layer(out, n, characters, 0.02),
    }


def _lstm(shape: Shape, params: Params, tokens: jax.Array) -> jax.Array:
    """One layer, which starts at 0 in each sequence; gates in PyTorch's order."""
    inputs = _affine(params["in"], params["embedding"][tokens])

    def step(state: Any, of_inputs: jax.Array) -> Any:
        h, cell = state
        gates = of_inputs + h @ params["again"]
        i, forget, new, o = jnp.split(gates, 4, axis=-1)
        cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(i) * jnp.tanh(new)
        h = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (h, cell), h

    zeros = jnp.zeros((len(tokens), shape.hidden))
    _, h = jax.lax.scan(step, (zeros, zeros), inputs.swapaxes(0, 1))
    return _affine(params["out"], h.swapaxes(0, 1))


class Model(NamedTuple):
    """A network.

    Attributes:
      label: in tables and pictures.
      init: (key, shape, number of characters) to weights.
      apply: (shape, weights, characters (b, context)) to logits (b, context, n).
    """

    label: str
    init: Callable[[jax.Array, Shape, int], Params]
    apply: Callable[[Shape, Params, jax.Array], jax.Array]


MODELS = {
    "transformer": Model("transformer", _init_transformer, _transformer),
    "lstm": Model("LSTM", _init_lstm, _lstm),
}
