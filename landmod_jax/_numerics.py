"""Numbers kept finite and in their valid range, and one number per chain."""

import math
from collections.abc import Callable
from typing import Any

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


def held(value: Any) -> jax.Array:
    """value, or 0 where it is negative; NaN stays NaN.

    Under jit, a schedule that ends at 0 ends slightly below it: optax's linear schedule
    from 1 ends at −1.5e-8.
    """
    return jnp.maximum(value, 0)


def root(x: jax.Array) -> jax.Array:
    """√x₊, with derivative 0 at and below 0; an infinite one would lead to NaN."""
    none = x <= 0
    return jnp.where(none, 0, jnp.sqrt(jnp.where(none, 1, x)))


def for_each(chains: jax.Array, leaf: jax.Array) -> jax.Array:
    """`leaf` repeated for each of the `chains`, and sharded like them."""
    leaf = jnp.asarray(leaf)
    # Computed from them: zeros_like loses their sharding on jax 0.12.
    never = jnp.expand_dims(
        (chains == chains) & (chains != chains), range(1, leaf.ndim + 1)
    )
    return never | leaf if leaf.dtype == bool else never.astype(leaf.dtype) + leaf


def types_of(tree: Any) -> Any:
    """Structure, shapes and dtypes, to be compared with another tree's."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [
        (getattr(leaf, "shape", ()), getattr(leaf, "dtype", None)) for leaf in leaves
    ]
