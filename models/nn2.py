"""NN2: six convolutions and three dense layers, 5,852,234 parameters (10 classes)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.layers import (
    BatchNorm,
    Conv,
    Dense,
    Dtype,
    Rows,
    at_least_float32,
    check_images,
    relu,
    relu_max_pool,
)

STAGES = ((32, 64), (128, 128), (256, 256))  # features of the convolutions
HIDDEN = (1024, 512)


class NN2(nn.Module):
    """[conv-ReLU-conv-ReLU-pool-norm] × 3, then dense 1024, 512, classes."""

    num_classes: int = 10
    dtype: Dtype = jnp.float32
    axis_name: Any = None
    accelerated: bool = False  # see models/accelerated.py

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool = False, rows: Rows = None
    ) -> jax.Array:
        check_images(x, 8)
        for first, second in STAGES:
            x = relu(Conv(first, dtype=self.dtype)(x), self.accelerated)
            x = relu_max_pool(Conv(second, dtype=self.dtype)(x), self.accelerated)
            norm = BatchNorm(self.axis_name, accelerated=self.accelerated)
            x = norm(x, train, rows)
        x = x.reshape(x.shape[0], -1)
        for features in HIDDEN:
            x = relu(Dense(features, dtype=self.dtype)(x), self.accelerated)
        return at_least_float32(Dense(self.num_classes, dtype=self.dtype)(x))
