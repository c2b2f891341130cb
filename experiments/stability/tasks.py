"""The tasks, one record each: a network without normalization, and its images.

Networks are pure functions of a list of matrices and vectors, so that `vmap` trains
hundreds at once. He's initialization throughout, zero biases.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from experiments.stability.images import Images, Places, cifar10, digits

CLASSES = 10
SIDE = 8  # of a digit

Params = Any
Init = Callable[[jax.Array], Params]  # a key to weights
Apply = Callable[[Params, jax.Array], jax.Array]  # b images to (b, 10) logits


@dataclasses.dataclass(frozen=True)
class Task:
    """What is trained, and how long.

    Attributes:
      name: on the command line and in rows.
      label: in tables and pictures.
      init: key to weights.
      apply: weights and b images to logits (b, 10).
      steps: number of steps of a run.
      batch: number of images per step.
      rates: factor of the optimizers' learning-rate grids.
      images: `Places` to the task's `Images`.
    """

    name: str
    label: str
    init: Init
    apply: Apply
    steps: int
    batch: int = 32
    rates: float = 1.0
    images: Callable[[Places], Images] = digits


def _matrix(key: jax.Array, inputs: int, outputs: int, gain: float = 2.0) -> jax.Array:
    return jax.random.normal(key, (inputs, outputs)) * jnp.sqrt(gain / inputs)


def layers(key: jax.Array, sizes: list[tuple[int, int]]) -> Params:
    keys = jax.random.split(key, len(sizes))
    return [
        {"w": _matrix(k, inputs, outputs), "b": jnp.zeros(outputs)}
        for k, (inputs, outputs) in zip(keys, sizes, strict=True)
    ]


def affine(layer: Params, x: jax.Array) -> jax.Array:
    return x @ layer["w"] + layer["b"]


def mlp(depth: int, width: int = 64) -> tuple[Init, Apply]:
    """`depth` matrices, ReLU between them."""
    hidden = [(width, width)] * (depth - 2)
    sizes = [(SIDE * SIDE, width), *hidden, (width, CLASSES)]

    def init(key: jax.Array) -> Params:
        return layers(key, sizes)

    def apply(params: Params, images: jax.Array) -> jax.Array:
        x = images.reshape(len(images), -1)
        *front, last = params
        for layer in front:
            x = jax.nn.relu(affine(layer, x))
        return affine(last, x)

    return init, apply


def _patches(x: jax.Array) -> jax.Array:
    """(b, h, w, c) to (b, h, w, 9 c): each pixel's 3×3 neighbors, zeros outside."""
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [
        padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)
    ]
    return jnp.concatenate(shifted, axis=-1)


def conv(depth: int, channels: int) -> tuple[Init, Apply]:
    """`depth` 3×3 convolutions with ReLU, as patches × matrix, and a matrix.

    Under `vmap` a convolution would become a grouped one, whose gradients are slow.
    """
    convolutions = [(9, channels), *[(9 * channels, channels)] * (depth - 1)]
    sizes = [*convolutions, (SIDE * SIDE * channels, CLASSES)]

    def init(key: jax.Array) -> Params:
        return layers(key, sizes)

    def apply(params: Params, images: jax.Array) -> jax.Array:
        x = images[..., None]
        *front, last = params
        for layer in front:
            x = jax.nn.relu(affine(layer, _patches(x)))
        return affine(last, x.reshape(len(x), -1))

    return init, apply


def _halved(x: jax.Array) -> jax.Array:
    """(b, h, w, c) to (b, h / 2, w / 2, c): the largest of each 2×2 pixels."""
    images, height, width, channels = x.shape
    squares = x.reshape(images, height // 2, 2, width // 2, 2, channels)
    return squares.max(axis=(2, 4))


def _color_conv(channels: int, large: int, small: int) -> tuple[Init, Apply]:
    """A matrix for each 4×4 patch of a 32×32 color image, then 3×3 convolutions.

    `large` of them are at 8×8, `small` at 4×4, with max pooling in between and ReLU
    after each; a matrix is last.
    """
    patch = 4
    convolutions = [(9 * channels, channels)] * (large + small)
    sizes = [(3 * patch**2, channels), *convolutions, (4 * 4 * channels, CLASSES)]

    def init(key: jax.Array) -> Params:
        return layers(key, sizes)

    def apply(params: Params, images: jax.Array) -> jax.Array:
        x = images.reshape(len(images), 8, patch, 8, patch, 3).swapaxes(2, 3)
        first, *front, last = params
        x = jax.nn.relu(affine(first, x.reshape(len(images), 8, 8, -1)))
        for number, layer in enumerate(front):
            if number == large:
                x = _halved(x)
            x = jax.nn.relu(affine(layer, _patches(x)))
        return affine(last, x.reshape(len(x), -1))

    return init, apply


def _rnn(width: int = 64) -> tuple[Init, Apply]:
    """A tanh recurrence over the image's rows, its last state through a matrix."""

    def init(key: jax.Array) -> Params:
        first, second, third = jax.random.split(key, 3)
        return {
            "in": {"w": _matrix(first, SIDE, width, 1.0), "b": jnp.zeros(width)},
            "again": _matrix(second, width, width, 1.0),
            "out": {"w": _matrix(third, width, CLASSES, 1.0), "b": jnp.zeros(CLASSES)},
        }

    def apply(params: Params, images: jax.Array) -> jax.Array:
        state = jnp.zeros((len(images), params["again"].shape[0]))
        for row in range(SIDE):
            inputs = affine(params["in"], images[:, row])
            state = jnp.tanh(inputs + state @ params["again"])
        return affine(params["out"], state)

    return init, apply


TASKS = {
    task.name: task
    for task in (
        Task("mlp6", "MLP, 6 layers", *mlp(6), steps=900, rates=2.0),
        Task("mlp12", "MLP, 12 layers", *mlp(12), steps=900),
        Task("mlp24", "MLP, 24 layers", *mlp(24), steps=900, rates=0.5),
        Task("conv10", "convolutional, 10 layers", *conv(10, 8), steps=600),
        Task("rnn", "recurrent", *_rnn(), steps=900, rates=4.0),
        Task(
            "cifar10",
            "CIFAR-10, convolutional, 10 layers",
            *_color_conv(8, large=3, small=6),
            steps=600,
            images=cifar10,
        ),
    )
}
# Learning rates of each optimizer, from one that always trains to one that rarely does.
RATES = {
    "sgd": (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5),
    "adam": (0.001, 0.003, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1),
    "rmsprop": (0.0003, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05),
    "adagrad": (0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
}


def rates(task: str, optimizer: str) -> tuple[float, ...]:
    return tuple(float(f"{TASKS[task].rates * r:.6g}") for r in RATES[optimizer])
