"""The two parts of 1 / (f((U − c)₊) + ε), finite in value and derivatives."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp


def at_height(f: Callable, u: jax.Array) -> jax.Array:
    """f(u₊), whose derivatives in u are 0 where u ≤ 0.

    At u = 0, the derivative of √u is infinite, and multiplying it by 0 later would give
    NaN. So no differentiated expression evaluates f there.
    """
    below = u <= 0
    return jnp.where(below, f(jnp.zeros_like(u)), f(jnp.where(below, 1, u)))


def widened(dtype: jax.typing.DTypeLike) -> jax.typing.DTypeLike:
    """dtype, or float32 if that is wider or if dtype is an integer type."""
    inexact = jnp.issubdtype(dtype, jnp.inexact)
    return dtype if inexact and jnp.finfo(dtype).bits >= 32 else jnp.float32


def held_eps(eps: jax.typing.ArrayLike, dtype: jax.typing.DTypeLike) -> jax.Array:
    """ε, at least √(smallest normal number): 1.1e-19 in float32, 1.5e-154 in float64.

    Down to there, 1/ε is finite, and so is (1/ε)², of which Adam keeps the mean.
    """
    floor = math.sqrt(float(jnp.finfo(dtype).tiny))
    if isinstance(eps, (int, float)):
        return jnp.asarray(max(eps, floor), dtype)
    return jnp.maximum(jnp.asarray(eps, dtype), floor)


def highest(dtype: jax.typing.DTypeLike) -> jax.Array:
    """A c above all losses, for the time before the first.

    Infinity would stop a program that looks for one with JAX_DEBUG_INFS.
    """
    return jnp.asarray(jnp.finfo(dtype).max, dtype)
