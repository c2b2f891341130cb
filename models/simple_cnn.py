"""SimpleCNN: the small network of PyTorch's CIFAR-10 tutorial, 62,006 parameters."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.layers import (
    Conv,
    Dense,
    Dtype,
    Rows,
    at_least_float32,
    check_images,
    relu,
    relu_max_pool,
)


class SimpleCNN(nn.Module):
    """Two 5×5 convolutions with 6 and 16 features, dense 120, 84, classes."""

    num_classes: int = 10
    dtype: Dtype = jnp.float32
    axis_name: Any = None  # no statistics over the batch: unused
    accelerated: bool = False  # see models/accelerated.py

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool = False, rows: Rows = None
    ) -> jax.Array:
        del train, rows
        check_images(x, 16)
        for features in (6, 16):
            x = Conv(features, kernel=5, padding=0, dtype=self.dtype)(x)
            x = relu_max_pool(x, self.accelerated)
        x = x.reshape(x.shape[0], -1)
        for features in (120, 84):
            x = relu(Dense(features, dtype=self.dtype)(x), self.accelerated)
        return at_least_float32(Dense(self.num_classes, dtype=self.dtype)(x))
