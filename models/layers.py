"""Layers with PyTorch's arithmetic and initialization."""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.cpu.compiler import compiler_options as compiler_options
from models.cpu.conv import conv as conv
from models.cpu.norm import Rows as Rows
from models.cpu.norm import at_least_float32 as at_least_float32
from models.cpu.norm import count, normalize, normalized
from models.cpu.pool import max_pool as max_pool
from models.cpu.relu import relu_from_result

Dtype = Any
Init = Callable[..., jax.Array]


def uniform_fan_in(fan_in: int) -> Init:
    """uniform(±1/√fan_in): PyTorch's default for weights and biases alike."""
    bound = 1 / math.sqrt(fan_in)

    def init(key: jax.Array, shape: tuple[int, ...], dtype: Dtype = jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def normal_fan_out() -> Init:
    """normal(0, √(2 / (k·k·out))) for a (k, k, in, out) kernel."""

    def init(key: jax.Array, shape: tuple[int, ...], dtype: Dtype = jnp.float32):
        height, width, _, out = shape
        return math.sqrt(2 / (height * width * out)) * jax.random.normal(
            key, shape, dtype
        )

    return init


def check_images(images: jax.Array, smallest: int) -> None:
    """Raise ValueError for images too small for a network's pooling layers."""
    if images.ndim != 4 or min(images.shape[1:3]) < smallest:
        raise ValueError(
            "images must be (batch, height, width, channels) with sides of at least "
            f"{smallest} pixels for this network, got shape {images.shape}"
        )


def relu(x: jax.Array, accelerated: bool) -> jax.Array:
    """max(x, 0); on accelerators, its gradient reads the result."""
    return relu_from_result(x) if accelerated else nn.relu(x)


def relu_max_pool(x: jax.Array, accelerated: bool) -> jax.Array:
    """ReLU and 2×2 max pooling, in either order: values and gradients are equal.

    With pooling first, three quarters of the gradient's mask are not read. A CPU fuses
    both and gains nothing from this.
    """
    return relu(max_pool(x), True) if accelerated else max_pool(nn.relu(x))


class Conv(nn.Module):
    """A 2-D convolution, NHWC, with a square kernel.

    Attributes:
      features: output channels.
      kernel: side of the kernel in pixels.
      stride: in pixels, both ways.
      padding: zeros on each side, in pixels.
      bias: whether a bias is added.
      kernel_init: by default PyTorch's; the bias is then PyTorch's too, else zero.
      dtype: of the arithmetic; the parameters are float32.
    """

    features: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    bias: bool = True
    kernel_init: Init | None = None
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        fan_in = self.kernel * self.kernel * x.shape[-1]
        default = uniform_fan_in(fan_in)
        w = self.param(
            "kernel",
            self.kernel_init or default,
            (self.kernel, self.kernel, x.shape[-1], self.features),
        )
        y = conv(x.astype(self.dtype), w.astype(self.dtype), self.stride, self.padding)
        if self.bias:
            bias_init = nn.initializers.zeros if self.kernel_init else default
            y += self.param("bias", bias_init, (self.features,)).astype(self.dtype)
        return y


class Dense(nn.Module):
    """A fully connected layer with PyTorch's default initialization."""

    features: int
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        default = uniform_fan_in(x.shape[-1])
        w = self.param("kernel", default, (x.shape[-1], self.features))
        b = self.param("bias", default, (self.features,))
        return x.astype(self.dtype) @ w.astype(self.dtype) + b.astype(self.dtype)


class BatchNorm(nn.Module):
    """Batch normalization over all axes but the last, as PyTorch computes it.

    Training normalizes with the batch's biased variance and keeps 0.9 · old + 0.1 · new
    of the mean and of the *unbiased* variance. Testing normalizes with these running
    values. Statistics and parameters are float32 whatever the dtype. As in PyTorch, no
    gradient flows through the running statistics.

    Attributes:
      axis_name: a mapped axis over which the batch is spread: its statistics are those
        of the whole batch.
      relu: whether max(·, 0) follows; the gradient of both together is cheaper than one
        after the other.
      accelerated: whether sums are taken about the running mean on accelerators.
    """

    axis_name: Any = None
    relu: bool = False
    accelerated: bool = False
    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, rows: Rows = None) -> jax.Array:
        """Normalize x, with statistics from its first `rows`, if given."""
        features = x.shape[-1:]
        weight = self.param("scale", nn.initializers.ones, features)
        bias = self.param("bias", nn.initializers.zeros, features)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, features)
        running_var = self.variable("batch_stats", "var", jnp.ones, features)
        if not train:
            rsqrt = jax.lax.rsqrt(running_var.value + self.epsilon)
            return normalized(x, weight, bias, running_mean.value, rsqrt, self.relu)
        y, mean, var = normalize(
            x,
            weight,
            bias,
            self.epsilon,
            self.axis_name,
            self.relu,
            near=running_mean.value if self.accelerated else None,
            rows=rows,
        )
        if not self.is_initializing():
            n = count(x, self.axis_name, rows)
            most = max if rows is None else jnp.maximum
            unbiased = var * (n / most(n - 1, 1))
            for running, new in ((running_mean, mean), (running_var, unbiased)):
                running.value = (
                    self.momentum * running.value + (1 - self.momentum) * new
                )
        return y


def avg_pool(x: jax.Array) -> jax.Array:
    """The mean over all pixels: (b, h, w, c) to (b, c)."""
    return x.mean((1, 2))
