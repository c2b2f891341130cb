"""The networks by name."""

import difflib
import functools
import re
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from models.layers import Dtype
from models.nn2 import NN2
from models.preresnet import PreResNet
from models.simple_cnn import SimpleCNN
from models.vgg import VGG

_MODELS: dict[str, Callable[..., nn.Module]] = {
    "simple_cnn": SimpleCNN,
    "nn2": NN2,
    "vgg16": functools.partial(VGG, 16),
    "vgg16_bn": functools.partial(VGG, 16, True),
    "vgg19": functools.partial(VGG, 19),
    "vgg19_bn": functools.partial(VGG, 19, True),
    "preresnet110": functools.partial(PreResNet, 110),
    "preresnet164": functools.partial(PreResNet, 164),
}
NAMES = tuple(_MODELS)


def create(
    name: str,
    num_classes: int = 10,
    dtype: Dtype = jnp.float32,
    axis_name: Any = None,
) -> nn.Module:
    """Make a network for 32×32 color images.

    Args:
      name: one of `NAMES`, or "preresnetD" with any depth D = 9n + 2.
      num_classes: length of the logits.
      dtype: of the arithmetic. Parameters, statistics and logits are float32.
      axis_name: a mapped axis over which batch norm takes its statistics.

    Returns:
      A Linen module: `module.apply(variables, images, train=False)` takes normalized
      images (batch, 32, 32, 3) and returns float32 logits (batch, num_classes). With
      `train=True` it takes `rngs={"dropout": key}` and `mutable=["batch_stats"]`, and
      if `rows=n` is given, batch norm ignores the images after the first n. It can be
      differentiated in reverse mode, any number of times.

    Raises:
      ValueError: the name is none of these; the message names the closest one.

    Example:
      >>> import jax, jax.numpy as jnp, models
      >>> net = models.create("simple_cnn")
      >>> images = jnp.zeros((2, 32, 32, 3))
      >>> variables = net.init(jax.random.key(0), images)
      >>> net.apply(variables, images).shape
      (2, 10)
    """
    make = _MODELS.get(name)
    if make is None and (match := re.fullmatch(r"preresnet(\d+)", name)):
        depth = int(match[1])
        if depth < 11 or (depth - 2) % 9:
            raise ValueError(
                f"PreResNet's depth must be 9n + 2 (11, 20, 29, … 110), got {depth}"
            )
        make = functools.partial(PreResNet, depth)
    if make is None:
        close = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else "choose one of"
        raise ValueError(f"unknown model {name!r}: {hint} ({', '.join(NAMES)})")
    return make(num_classes=num_classes, dtype=dtype, axis_name=axis_name)
