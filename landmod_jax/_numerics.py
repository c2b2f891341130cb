"""The two parts of 1 / (f((U − c)₊) + ε), finite in value and derivatives."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp


def at_height(f: Callable, u: jax.Array) -> jax.Array:
    """f(u₊), whose derivatives in u are 0 where u ≤ 0.

    At u = 0 the derivative of √u is infinite: an infinity that is multiplied by 0 later
    would be NaN, so f is not evaluated there in anything that is differentiated.
    """
    below = u <= 0
    return jnp.where(below, f(jnp.zeros_like(u)), f(jnp.where(below, 1, u)))


def widened(dtype: jax.typing.DTypeLike) -> jax.typing.DTypeLike:
    """dtype, or float32 where that is wider or dtype is an integer's."""
    floating = jnp.issubdtype(dtype, jnp.floating)
    return dtype if floating and jnp.finfo(dtype).bits >= 32 else jnp.float32


def held_eps(eps: jax.typing.ArrayLike, dtype: jax.typing.DTypeLike) -> jax.Array:
    """ε, held at √(smallest normal number): 1.1e-19 in float32, 1.5e-154 in float64.

    1/ε and (1/ε)², which Adam keeps the mean of, are finite down to there.
    """
    floor = math.sqrt(float(jnp.finfo(dtype).tiny))
    return jnp.maximum(jnp.asarray(eps, dtype), floor)
