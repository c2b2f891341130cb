"""Batch normalisation's arithmetic, with sums that XLA:CPU runs fast.

XLA:CPU sums arrays and products of two arrays in one pass. A sum of x − mean it would
write out first: on a CPU the mean's part is taken off the sum instead, where that loses
no digits.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalise(
    x: jax.Array, weight: jax.Array, bias: jax.Array, epsilon: float, axis_name: Any
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """weight · (x − mean) / √(var + epsilon) + bias with the batch's own statistics.

    The gradient is in closed form: autodiff's keeps several arrays of x's size, this
    one x alone. Mean and variance are given as well, and are not differentiated.

    Returns:
      y of x's shape and dtype, and the channels' mean and biased variance.
    """
    return _forward(x, weight, bias, epsilon, axis_name)[0]


def _forward(x, weight, bias, epsilon, axis_name):
    mean, var = batch_moments(x, axis_name)
    factor = weight * jax.lax.rsqrt(var + epsilon)
    y = at_least_float32(x) * factor + (bias - mean * factor)
    return (y.astype(x.dtype), mean, var), (x, weight, mean, var)


def _backward(epsilon, axis_name, saved, gs):
    x, weight, mean, var = saved
    g = at_least_float32(gs[0])
    rsqrt = jax.lax.rsqrt(var + epsilon)
    x = at_least_float32(x)
    of_g = _sums(g)
    of_g_x = jax.lax.platform_dependent(
        g, x, mean, var, cpu=_covariance_on_cpu, default=_covariance
    )
    sums = local = (of_g, of_g_x * rsqrt)
    if axis_name is not None:
        sums = jax.lax.psum(local, axis_name)
    of_g, of_g_x_hat = (total / count(x, axis_name) for total in sums)
    dx = weight * rsqrt * (g - of_g - (x - mean) * (rsqrt * of_g_x_hat))
    # Each replica has its part of the parameters' gradients, like any other layer's.
    return dx.astype(saved[0].dtype), local[1], local[0]


normalise.defvjp(_forward, _backward)


def batch_moments(x: jax.Array, axis_name: Any) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance of each channel, over the axis too.

    The variance is that around the mean of the whole batch, whose digits it keeps where
    the mean is large.
    """
    x = at_least_float32(x)
    mean = _sums(x) / count(x)
    if axis_name is not None:
        mean = jax.lax.pmean(mean, axis_name)
    var = jax.lax.platform_dependent(
        x, mean, cpu=_variance_on_cpu, default=_variance
    ) / count(x)
    if axis_name is not None:
        var = jax.lax.pmean(var, axis_name)
    return mean, var


def _sums(x: jax.Array) -> jax.Array:
    return x.sum(tuple(range(x.ndim - 1)))


def _variance(x, mean):
    return _sums(jnp.square(x - mean))


def _variance_on_cpu(x, mean):
    quick = _sums(x * x) - mean * (2 * _sums(x) - count(x) * mean)
    return jax.lax.cond(
        _far(mean, quick / count(x)), _variance, lambda *_: quick, x, mean
    )


def _covariance(g, x, mean, var):
    del var
    return _sums(g * (x - mean))


def _covariance_on_cpu(g, x, mean, var):
    return jax.lax.cond(
        _far(mean, var),
        _covariance,
        lambda g, x, mean, var: _sums(g * x) - mean * _sums(g),
        g,
        x,
        mean,
        var,
    )


def _far(mean, var):
    """Whether differences of sums would lose more than about four bits."""
    return (jnp.square(mean) > 15 * var).any()


def count(x: jax.Array, axis_name: Any = None) -> int:
    """How many values a channel has, over the axis too."""
    here = math.prod(x.shape[:-1])
    return here if axis_name is None else here * jax.lax.axis_size(axis_name)


def at_least_float32(x: jax.Array) -> jax.Array:
    """Widen half precision; float64 stays."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
