"""Landscape modification as a gradient transformation."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from landmod_jax import shapes
from landmod_jax.thresholds import Threshold, running_min


class LandscapeModifyState(NamedTuple):
    """State of `landscape_modify`, all of it scalar arrays."""

    count: jax.Array  # steps so far, int32
    c: jax.Array  # the threshold at the last step
    scale: jax.Array  # 1 / (f((value - c)₊) + eps) at the last step
    threshold: Any  # the threshold's own state


def landscape_modify(
    f: str | shapes.Shape = "linear",
    eps: float | optax.Schedule = 1.0,
    *,
    threshold: Threshold | None = None,
    axis_name: Any = None,
) -> optax.GradientTransformationExtraArgs:
    """Multiply every gradient by 1 / (f((value - c)₊) + eps), (2.12)."""
    f = shapes.resolve(f)
    if (
        not callable(eps)
        and isinstance(eps, (int, float))
        and not (math.isfinite(eps) and eps > 0)
    ):
        raise ValueError(f"eps must be finite and greater than 0, got {eps}")
    threshold = running_min() if threshold is None else threshold

    def init_fn(params: optax.Params) -> LandscapeModifyState:
        del params
        dtype = jax.dtypes.canonicalize_dtype(float)
        state = threshold.init(dtype)
        return LandscapeModifyState(
            count=jnp.zeros((), jnp.int32),
            c=jnp.asarray(jnp.inf, dtype),
            scale=jnp.zeros((), dtype),
            threshold=state,
        )

    def update_fn(
        updates: optax.Updates,
        state: LandscapeModifyState,
        params: optax.Params | None = None,
        *,
        value: Any = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, LandscapeModifyState]:
        del params, extra_args
        if value is None:
            raise ValueError(
                "landscape_modify needs the loss: "
                "tx.update(grads, state, params, value=loss)"
            )
        value = jnp.asarray(value, state.c.dtype)
        if value.ndim:
            raise ValueError(f"value must be a scalar loss, got shape {value.shape}")
        if axis_name is not None:
            value = jax.lax.pmean(value, axis_name)
        finite = jnp.isfinite(value)
        c, threshold_state = threshold.update(state.threshold, value)
        c, threshold_state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old),
            (c, threshold_state),
            (state.c, state.threshold),
        )
        eps_now = eps(state.count) if callable(eps) else eps
        u = jnp.where(finite, jnp.maximum(value - c, 0), 0)
        scale = jnp.where(finite, 1 / (f(u) + eps_now), 0).astype(state.scale.dtype)
        updates = jax.tree.map(lambda g: _scaled(g, scale), updates)
        count = optax.safe_increment(state.count)
        return updates, LandscapeModifyState(count, c, scale, threshold_state)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def _scaled(g: jax.Array, scale: jax.Array) -> jax.Array:
    if jnp.issubdtype(g.dtype, jnp.complexfloating):
        return g * scale.astype(g.real.dtype)
    return (g * scale).astype(g.dtype)


def current(opt_state: Any) -> LandscapeModifyState:
    """The LandscapeModifyState inside any nested optimizer state."""
    found = [
        leaf
        for leaf in jax.tree.leaves(
            opt_state, is_leaf=lambda x: isinstance(x, LandscapeModifyState)
        )
        if isinstance(leaf, LandscapeModifyState)
    ]
    if len(found) != 1:
        raise ValueError(f"expected one LandscapeModifyState, found {len(found)}")
    return found[0]
