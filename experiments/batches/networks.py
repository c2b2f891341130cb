"""The networks, and the learning rates of their plain optimizers."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from experiments.stability import tasks
from experiments.stability.tasks import CLASSES, SIDE, Apply, Init, affine, layers

RATES = {  # that the plan's rule was applied to
    "sgd": (0.005, 0.01, 0.02, 0.05, 0.1),
    "adam": (0.0005, 0.001, 0.002, 0.005, 0.01),
}


@dataclasses.dataclass(frozen=True)
class Network:
    """A network for 8×8 images.

    Attributes:
      label: in tables and pictures.
      init: a key to weights.
      apply: weights and b images to logits (b, 10).
      rates: the plain optimizer's learning rate, by optimizer; see the plan.
    """

    label: str
    init: Init
    apply: Apply
    rates: dict[str, float]


def _transformer(width: int = 16, heads: int = 2) -> tuple[Init, Apply]:
    """One pre-norm block over the image's rows, whose mean goes through a matrix."""

    def init(key: jax.Array) -> Any:
        first_half = [(SIDE, width), (width, 3 * width), (width, width)]
        second_half = [(width, 2 * width), (2 * width, width), (width, CLASSES)]
        first, second = jax.random.split(key)
        positions = 0.1 * jax.random.normal(second, (SIDE, width))
        return {
            "layers": layers(first, first_half + second_half),
            "positions": positions,
        }

    def apply(params: Any, images: jax.Array) -> jax.Array:
        embed, project, merge, widen, narrow, last = params["layers"]
        x = affine(embed, images) + params["positions"]
        x = x + affine(merge, _attention(affine(project, _normalized(x)), heads))
        x = x + affine(narrow, jax.nn.gelu(affine(widen, _normalized(x))))
        return affine(last, _normalized(x).mean(axis=1))

    return init, apply


def _attention(projected: jax.Array, heads: int) -> jax.Array:
    """(b, tokens, 3 width) to (b, tokens, width)."""
    b, tokens, _ = projected.shape
    q, k, v = jnp.moveaxis(projected.reshape(b, tokens, 3, heads, -1), 2, 0)
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(q.shape[-1])
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
    return mixed.reshape(b, tokens, -1)


def _normalized(x: jax.Array) -> jax.Array:
    return jax.nn.standardize(x, axis=-1, epsilon=1e-5)


NETWORKS = {
    "mlp": Network("MLP", *tasks.mlp(3, 64), {"sgd": 0.05, "adam": 0.005}),
    "transformer": Network("transformer", *_transformer(), {"adam": 0.01}),
    "rnn": Network(
        "recurrent",
        tasks.TASKS["rnn"].init,
        tasks.TASKS["rnn"].apply,
        {"sgd": 0.05, "adam": 0.002},
    ),
    "conv": Network("convolutional", *tasks.conv(3, 8), {"adam": 0.005}),
}
