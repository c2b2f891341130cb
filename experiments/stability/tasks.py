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
      fine: whether 20 learning rates make a decade, and not 10.
      images: `Places` to the task's `Images`.
    """

    name: str
    label: str
    init: Init
    apply: Apply
    steps: int
    batch: int = 32
    fine: bool = False
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
        Task("mlp6", "MLP, 6 layers", *mlp(6), steps=900),
        Task("mlp12", "MLP, 12 layers", *mlp(12), steps=900),
        Task("mlp24", "MLP, 24 layers", *mlp(24), steps=900),
        Task("conv10", "convolutional, 10 layers", *conv(10, 8), steps=600),
        Task("rnn", "recurrent", *_rnn(), steps=900, fine=True),
        Task(
            "cifar10",
            "CIFAR-10, convolutional, 10 layers",
            *_color_conv(8, large=3, small=6),
            steps=600,
            images=cifar10,
        ),
    )
}
# The preferred numbers of ISO 3: 20 to a decade, and every second of them.
_R20 = (
    1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8,
    3.15, 3.55, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0, 9.0,
)  # fmt: skip
# The first and last learning rate: from one that trains to one that clipping to norm 1
# does not train at.
RATES = {
    "mlp6": {"sgd": (0.02, 1.6), "adam": (0.004, 0.2)},
    "mlp12": {"sgd": (0.008, 0.63), "adam": (0.0016, 0.05)},
    "mlp24": {"sgd": (0.0025, 0.2), "adam": (0.001, 0.04)},
    "conv10": {"sgd": (0.01, 0.4), "adam": (0.002, 0.063)},
    "rnn": {"sgd": (0.05, 0.8), "adam": (0.008, 0.1)},
    "cifar10": {"sgd": (0.01, 0.5), "adam": (0.001, 0.04)},
}
_OF_ALL = {"rmsprop": (0.001, 0.04), "adagrad": (0.02, 0.63)}


def rates(task: str, optimizer: str) -> tuple[float, ...]:
    low, high = (RATES[task] | _OF_ALL)[optimizer]
    numbers = _R20 if TASKS[task].fine else _R20[::2]
    series = [float(f"{x}e{k}") for k in range(-3, 1) for x in numbers]
    return tuple(rate for rate in series if low <= rate <= high)
