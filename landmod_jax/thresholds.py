"""Thresholds c: the height above which the landscape is flattened."""

import math
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp


class InitFn(Protocol):
    def __call__(self, dtype: Any) -> Any: ...


class UpdateFn(Protocol):
    def __call__(self, state: Any, value: jax.Array) -> tuple[jax.Array, Any]: ...


class Threshold(NamedTuple):
    """A pair of pure functions, like an optax transformation.

    `init(dtype)` gives the state; `update(state, value)` gives c for this step and the
    next state. It is called with finite values only.
    """

    init: InitFn
    update: UpdateFn


def running_min() -> Threshold:
    """c is the smallest loss so far, this step's included (thesis, section 2.1.2)."""

    def init_fn(dtype: Any) -> jax.Array:
        return jnp.asarray(jnp.inf, dtype)

    def update_fn(state: jax.Array, value: jax.Array) -> tuple[jax.Array, jax.Array]:
        c = jnp.minimum(state, value)
        return c, c

    return Threshold(init_fn, update_fn)


def constant(c: float) -> Threshold:
    """A fixed c, as in (2.1).

    Raises:
      ValueError: c is NaN.
    """
    if math.isnan(c):
        raise ValueError("c must be a number, got nan")

    def init_fn(dtype: Any) -> jax.Array:
        return jnp.asarray(c, dtype)

    def update_fn(state: jax.Array, value: jax.Array) -> tuple[jax.Array, jax.Array]:
        del value
        return state, state

    return Threshold(init_fn, update_fn)
