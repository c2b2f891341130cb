"""Batch normalisation's arithmetic, with sums that XLA:CPU runs fast."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

# How many slices of the arrays a sum over them adds up first.
SLICES = 8


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def normalise(
    x: jax.Array,
    weight: jax.Array,
    bias: jax.Array,
    epsilon: float,
    axis_name: Any,
    relu: bool = False,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """weight · (x − mean) / √(var + epsilon) + bias with the batch's own statistics.

    The gradient is in closed form: autodiff's keeps several arrays of x's size, this
    one x alone. Mean and variance are given as well, and are not differentiated.

    Args:
      x: (..., channels).
      weight: (channels,), as is the bias.
      axis_name: a mapped axis over which the batch is spread, or None.
      relu: whether max(·, 0) follows. Its gradient's mask is then computed where it is
        needed, which spares an array of x's size.

    Returns:
      y of x's shape and dtype, and the channels' mean and biased variance.
    """
    return _forward(x, weight, bias, epsilon, axis_name, relu)[0]


def _forward(x, weight, bias, epsilon, axis_name, relu):
    mean, var = batch_moments(x, axis_name)
    y = normalised(x, weight, bias, mean, jax.lax.rsqrt(var + epsilon), relu)
    return (y, mean, var), (x, weight, bias, mean, var)


def normalised(
    x: jax.Array,
    weight: jax.Array,
    bias: jax.Array,
    mean: jax.Array,
    rsqrt: jax.Array,
    relu: bool,
) -> jax.Array:
    """weight · (x − mean) · rsqrt + bias, of x's dtype, and max(·, 0) if asked for."""
    y = _affine(x, weight, bias, mean, rsqrt)
    return (jax.nn.relu(y) if relu else y).astype(x.dtype)


def _affine(x, weight, bias, mean, rsqrt):
    factor = weight * rsqrt
    return at_least_float32(x) * factor + (bias - mean * factor)


def _backward(epsilon, axis_name, relu, saved, gs):
    x, weight, bias, mean, var = saved
    g, rsqrt = gs[0], jax.lax.rsqrt(var + epsilon)

    def through_relu(g, x):
        if relu:
            g = jnp.where(_affine(x, weight, bias, mean, rsqrt) > 0, g, 0)
        return at_least_float32(g)

    def centred(x):
        return at_least_float32(x) - mean

    # An array as it stands is summed in one pass anyway.
    of_g = channel_sums(through_relu, g, x) if relu else _sums(at_least_float32(g))
    of_g_x = channel_sums(lambda g, x: through_relu(g, x) * centred(x), g, x)
    sums = local = (of_g, of_g_x * rsqrt)
    if axis_name is not None:
        sums = jax.lax.psum(local, axis_name)
    of_g, of_g_x_hat = (total / count(x, axis_name) for total in sums)
    dx = through_relu(g, x) - of_g - centred(x) * (rsqrt * of_g_x_hat)
    dx *= weight * rsqrt
    # Each replica has its part of the parameters' gradients, like any other layer's.
    return dx.astype(x.dtype), local[1], local[0]


normalise.defvjp(_forward, _backward)


def batch_moments(x: jax.Array, axis_name: Any) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance of each channel, over the axis too.

    The variance is that around the mean of the whole batch, whose digits it keeps where
    the mean is large.
    """
    mean = _sums(at_least_float32(x)) / count(x)
    if axis_name is not None:
        mean = jax.lax.pmean(mean, axis_name)
    var = channel_sums(lambda x: jnp.square(at_least_float32(x) - mean), x) / count(x)
    if axis_name is not None:
        var = jax.lax.pmean(var, axis_name)
    return mean, var


def channel_sums(function: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """function(*arrays), elementwise up to the channels' own values, summed.

    Args:
      arrays: (..., channels), of one shape.

    Returns:
      (channels,).
    """
    return jax.lax.platform_dependent(
        *arrays,
        cpu=functools.partial(_sums_of_slices, function),
        default=lambda *arrays: _sums(function(*arrays)),
    )


def _sums(x: jax.Array) -> jax.Array:
    return x.sum(tuple(range(x.ndim - 1)))


def _sums_of_slices(function, *arrays):
    """The same in one pass.

    XLA:CPU writes out what it sums, unless that is an array or a product of two. What
    it adds up elementwise it computes on the way, and that is an eighth of the size.
    """
    # Not images, which may be spread over devices, but their rows.
    axis = min(1, arrays[0].ndim - 2)
    slices = math.gcd(arrays[0].shape[axis], SLICES)
    parts = zip(*(jnp.split(array, slices, axis) for array in arrays))
    added = functools.reduce(jnp.add, (function(*part) for part in parts))
    rows = added.reshape(-1, added.shape[-1])
    # As a product, because a sum would be fused with what it sums.
    return jnp.ones(len(rows), rows.dtype) @ rows


def count(x: jax.Array, axis_name: Any = None) -> int:
    """How many values a channel has, over the axis too."""
    here = math.prod(x.shape[:-1])
    return here if axis_name is None else here * jax.lax.axis_size(axis_name)


def at_least_float32(x: jax.Array) -> jax.Array:
    """Widen half precision; float64 stays."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
