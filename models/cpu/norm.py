"""Batch normalization's arithmetic, with sums that XLA:CPU runs fast."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Rows = jax.Array | None
# The number of slices that a sum adds up first.
SLICES = 8


def normalize(
    x: jax.Array,
    weight: jax.Array,
    bias: jax.Array,
    epsilon: float,
    axis_name: Any,
    relu: bool = False,
    near: jax.Array | None = None,
    rows: Rows = None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """weight · (x − mean) / √(var + epsilon) + bias with the batch's own statistics.

    The gradient is in closed form and keeps only x; autodiff would keep several arrays
    of x's size. The mean and the variance are also returned, but not differentiated.

    Args:
      x: (..., channels).
      weight: (channels,), as is the bias.
      axis_name: a mapped axis over which the batch is spread, or None.
      relu: whether max(·, 0) follows. Its gradient's mask is then computed on use,
        which saves an array of x's size.
      near: (channels,), an estimate of the mean, if known, such as a running mean.
      rows: the number of x's leading rows that are the batch. The rest is padding,
        which does not enter the statistics and has no gradient. None for all rows,
        which compiles another program. Not with an axis.

    Returns:
      y of x's shape and dtype, and the channels' mean and biased variance.
    """
    return _normalize(x, weight, bias, near, rows, epsilon, axis_name, relu)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6, 7))
def _normalize(x, weight, bias, near, rows, epsilon, axis_name, relu):
    return _forward(x, weight, bias, near, rows, epsilon, axis_name, relu)[0]


def _forward(x, weight, bias, near, rows, epsilon, axis_name, relu):
    mean, var = batch_moments(x, axis_name, near, rows)
    y = normalized(x, weight, bias, mean, jax.lax.rsqrt(var + epsilon), relu)
    return (y, mean, var), (x, weight, bias, mean, var, rows)


def normalized(
    x: jax.Array,
    weight: jax.Array,
    bias: jax.Array,
    mean: jax.Array,
    rsqrt: jax.Array,
    relu: bool,
) -> jax.Array:
    """weight · (x − mean) · rsqrt + bias in x's dtype, then max(·, 0) if `relu`."""
    y = _affine(x, weight, bias, mean, rsqrt)
    return (jax.nn.relu(y) if relu else y).astype(x.dtype)


def _affine(x, weight, bias, mean, rsqrt):
    factor = weight * rsqrt
    return at_least_float32(x) * factor + (bias - mean * factor)


def _backward(epsilon, axis_name, relu, saved, gs):
    x, weight, bias, mean, var, rows = saved
    g, rsqrt = gs[0], jax.lax.rsqrt(var + epsilon)

    def through_relu(g, x):
        if relu:
            g = jnp.where(_affine(x, weight, bias, mean, rsqrt) > 0, g, 0)
        return at_least_float32(g)

    def centered(x):
        return at_least_float32(x) - mean

    def terms(g, x):
        g = through_relu(g, x)
        return g, g * centered(x)

    of_g, of_g_x = channel_sums(terms, g, x)
    sums = local = (of_g, of_g_x * rsqrt)
    if axis_name is not None:
        sums = jax.lax.psum(local, axis_name)
    of_g, of_g_x_hat = (total / count(x, axis_name, rows) for total in sums)
    dx = through_relu(g, x) - of_g - centered(x) * (rsqrt * of_g_x_hat)
    dx = _padded(dx * (weight * rsqrt), rows, 0)
    # Each replica has its share of the parameters' gradients, as in any other layer.
    return dx.astype(x.dtype), local[1], local[0], None, None


_normalize.defvjp(_forward, _backward)


def batch_moments(
    x: jax.Array, axis_name: Any, near: jax.Array | None = None, rows: Rows = None
) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance of each channel, also over the axis.

    One pass over x sums x and x², both shifted by a value near the mean. On CPUs, the
    shift is the mean of an eighth of x. It always lies within √7 standard deviations of
    the mean of x, so the variance loses only one digit. On accelerators, the shift is
    `near`, if given, which needs no extra pass.
    """
    near = _near(x, near)
    x = _padded(x, rows, near)

    def terms(x):
        x = at_least_float32(x) - near
        return x, jnp.square(x)

    sums = channel_sums(terms, x)
    less_near, squares = (total / count(x, None, rows) for total in sums)
    mean, var = near + less_near, jnp.maximum(squares - jnp.square(less_near), 0)
    if axis_name is None:
        return mean, var
    everyones = jax.lax.pmean(mean, axis_name)
    return everyones, jax.lax.pmean(var + jnp.square(mean - everyones), axis_name)


def _near(x, known):
    def of_an_eighth(x, *_):
        eighth = at_least_float32(_sliced(x)[..., 0, :, :])
        return _sums(eighth) / count(eighth)

    if known is None:
        return of_an_eighth(x)
    return jax.lax.platform_dependent(
        x, known, cpu=of_an_eighth, default=lambda x, known: known
    )


def _padded(x, rows, value):
    """x with its rows after the first `rows` replaced by a value."""
    if rows is None:
        return x
    row = jax.lax.broadcasted_iota(jnp.int32, x.shape, 0)
    return jnp.where(row < rows, x, value)


def channel_sums(
    function: Callable[..., tuple[jax.Array, ...]], *arrays: jax.Array
) -> tuple[jax.Array, ...]:
    """The sums of function(*arrays), which is elementwise but for values per channel.

    Args:
      arrays: (..., channels), of one shape.

    Returns:
      (channels,) for each of the function's values.
    """
    return jax.lax.platform_dependent(
        *arrays,
        cpu=functools.partial(_in_one_pass, function),
        default=lambda *arrays: _together(function(*arrays)),
    )


def _sums(x: jax.Array) -> jax.Array:
    return x.sum(tuple(range(x.ndim - 1)))


def _together(terms: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
    """The sum of each array, in one reduction."""
    return jax.lax.reduce(
        terms,
        tuple(jnp.zeros((), term.dtype) for term in terms),
        lambda a, b: tuple(map(jnp.add, a, b)),
        dimensions=tuple(range(terms[0].ndim - 1)),
    )


def _in_one_pass(function, *arrays):
    """The same sums, without writing out the summands.

    XLA:CPU writes them out for a sum over all pixels, and for a single sum, but not for
    several sums at once over a few slices, whose results are an eighth of the size.
    """
    terms = function(*map(_sliced, arrays))
    added = jax.lax.reduce(
        terms,
        tuple(jnp.zeros((), term.dtype) for term in terms),
        lambda a, b: tuple(map(jnp.add, a, b)),
        dimensions=(terms[0].ndim - 3,),
    )
    rows = [x.reshape(-1, x.shape[-1]) for x in added]
    # As products, because sums would be fused with their summands.
    return tuple(jnp.ones(len(x), x.dtype) @ x for x in rows)


def _sliced(x: jax.Array) -> jax.Array:
    """(..., pixels, channels) in a few slices, (..., slices, pixels, channels)."""
    # Slices of the images' rows, because the images may be spread over devices.
    axis = min(1, x.ndim - 2)
    slices = math.gcd(x.shape[axis], SLICES)
    return x.reshape(*x.shape[:axis], slices, -1, x.shape[-1])


def count(x: jax.Array, axis_name: Any = None, rows: Rows = None) -> Any:
    """The number of values per channel, also over the axis; an array if rows is one."""
    here = math.prod(x.shape[1:-1]) * (x.shape[0] if rows is None else rows)
    return here if axis_name is None else here * jax.lax.axis_size(axis_name)


def at_least_float32(x: jax.Array) -> jax.Array:
    """Widen half precision; float64 stays."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
