"""Numbers kept in their valid range, and one number per chain."""

from typing import Any

import jax
import jax.numpy as jnp


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


def for_each(each: jax.Array, leaf: jax.Array) -> jax.Array:
    """`leaf` repeated for each element of `each`, and sharded like `each`."""
    leaf = jnp.asarray(leaf)
    # Computed from `each`: zeros_like(each) loses its sharding on jax 0.12.
    never = jnp.expand_dims((each == each) & (each != each), range(1, leaf.ndim + 1))
    return never | leaf if leaf.dtype == bool else never.astype(leaf.dtype) + leaf
