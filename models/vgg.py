"""VGG16 and VGG19 for 32×32 images, with and without batch norm."""

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
    max_pool,
    normal_fan_out,
    relu,
    relu_max_pool,
)

# Features of each stage's convolutions; a 2×2 pooling ends a stage.
STAGES = {
    16: ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    19: ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}
HIDDEN = (512, 512)


class VGG(nn.Module):
    """Convolutions normal(0, √(2/(k·k·out))) with zero bias; a classifier with dropout.

    VGG16 without batch norm has 15,245,130 parameters (10 classes).
    """

    depth: int = 16
    batch_norm: bool = False
    num_classes: int = 10
    dtype: Dtype = jnp.float32
    axis_name: Any = None
    accelerated: bool = False  # see models/accelerated.py

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool = False, rows: Rows = None
    ) -> jax.Array:
        check_images(x, 32)
        for stage in STAGES[self.depth]:
            for number, features in enumerate(stage, start=1):
                x = Conv(features, kernel_init=normal_fan_out(), dtype=self.dtype)(x)
                last = number == len(stage)
                if self.batch_norm:
                    x = BatchNorm(
                        self.axis_name, relu=True, accelerated=self.accelerated
                    )(x, train, rows)
                    x = max_pool(x) if last else x
                elif last:
                    x = relu_max_pool(x, self.accelerated)
                else:
                    x = relu(x, self.accelerated)
        x = x.reshape(x.shape[0], -1)
        for features in HIDDEN:
            x = nn.Dropout(0.5, deterministic=not train)(x)
            x = relu(Dense(features, dtype=self.dtype)(x), self.accelerated)
        return at_least_float32(Dense(self.num_classes, dtype=self.dtype)(x))
