"""The two parts of 1 / (f((U − c)₊) + ε), finite in value and derivatives."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def at_height(f: Callable, u: jax.Array) -> jax.Array:
    """f(u₊), whose derivatives in u are 0 where u ≤ 0.

    At u = 0 the derivative of √u is infinite: an infinity that is multiplied by 0 later
    would be NaN, so f is not evaluated there in anything that is differentiated.
    """
    below = u <= 0
    return jnp.where(below, f(jnp.zeros_like(u)), f(jnp.where(below, 1, u)))


def held_eps(eps: Any, dtype: Any) -> jax.Array:
    """ε, held at √(smallest normal number): 1.1e-19 in float32, 1.5e-154 in float64.

    1/ε and (1/ε)², which Adam keeps the mean of, are finite down to there.
    """
    floor = math.sqrt(float(jnp.finfo(dtype).tiny))
    return jnp.maximum(jnp.asarray(eps, dtype), floor)
