"""Pre-activation residual networks with bottleneck blocks (He et al. 2016)."""

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
    avg_pool,
    check_images,
    normal_fan_out,
)

WIDTHS = (16, 32, 64)
EXPANSION = 4


class Bottleneck(nn.Module):
    """norm-ReLU-1×1, norm-ReLU-3×3, norm-ReLU-1×1, added to the block's raw input."""

    width: int
    stride: int = 1
    dtype: Dtype = jnp.float32
    axis_name: Any = None
    accelerated: bool = False  # see models/accelerated.py

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, rows: Rows = None) -> jax.Array:
        features = EXPANSION * self.width
        shortcut = x
        if x.shape[-1] != features or self.stride != 1:
            shortcut = self._conv(features, 1, self.stride, "projection")(x)
        y = self._norm()(x, train, rows)
        y = self._conv(self.width, 1, 1, "Conv_0")(y)
        y = self._norm()(y, train, rows)
        y = self._conv(self.width, 3, self.stride, "Conv_1")(y)
        y = self._norm()(y, train, rows)
        return shortcut + self._conv(features, 1, 1, "Conv_2")(y)

    def _norm(self) -> BatchNorm:
        return BatchNorm(self.axis_name, relu=True, accelerated=self.accelerated)

    def _conv(self, features: int, kernel: int, stride: int, name: str) -> Conv:
        return Conv(
            features,
            kernel,
            stride,
            padding=kernel // 2,
            bias=False,
            kernel_init=normal_fan_out(),
            dtype=self.dtype,
            name=name,
        )


class PreResNet(nn.Module):
    """Depth 9n + 2: three stages of n blocks. Depth 110 has 1,146,842 parameters."""

    depth: int = 110
    num_classes: int = 10
    dtype: Dtype = jnp.float32
    axis_name: Any = None
    accelerated: bool = False  # see models/accelerated.py

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool = False, rows: Rows = None
    ) -> jax.Array:
        check_images(x, 1)
        blocks = (self.depth - 2) // 9
        x = Conv(16, bias=False, kernel_init=normal_fan_out(), dtype=self.dtype)(x)
        for stage, width in enumerate(WIDTHS):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                options = (self.dtype, self.axis_name, self.accelerated)
                x = Bottleneck(width, stride, *options)(x, train, rows)
        norm = BatchNorm(self.axis_name, relu=True, accelerated=self.accelerated)
        x = avg_pool(norm(x, train, rows))
        return at_least_float32(Dense(self.num_classes, dtype=self.dtype)(x))
