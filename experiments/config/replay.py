"""Multiplying gradients by given scales, one per step.

LM shrinks steps while the loss is above c. A replay uses the scales of the LM run with
the same seed: their mean at each step (mean_scale), or the scales in another order
(shuffled_scale). What LM gains over both is due to when it shrinks a step.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike


class ReplayState(NamedTuple):
    taken: jax.Array  # int32: steps
    scales: jax.Array  # (steps,) float32
    scale: jax.Array  # of the last step


def replay(steps: int) -> optax.GradientTransformationExtraArgs:
    """Multiply the gradients of step t by the t-th of given scales.

    The scales are 1 until `with_scales` sets them. Steps beyond `steps` use the last
    scale.
    """

    def init_fn(params: optax.Params) -> ReplayState:
        del params
        return ReplayState(
            jnp.zeros((), jnp.int32), jnp.ones(steps, jnp.float32), jnp.float32(1)
        )

    def update_fn(updates, state, params=None, **extra):
        del params, extra
        scale = state.scales[jnp.minimum(state.taken, steps - 1)]
        updates = jax.tree.map(lambda g: (g * scale).astype(g.dtype), updates)
        return updates, ReplayState(state.taken + 1, state.scales, scale)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def current(opt_state: optax.OptState) -> ReplayState:
    """The ReplayState within an optimizer's state."""
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda x: isinstance(x, ReplayState))
    (state,) = (leaf for leaf in leaves if isinstance(leaf, ReplayState))
    return state


def with_scales(opt_state: optax.OptState, scales: ArrayLike) -> optax.OptState:
    """The optimizer's state with these scales (steps,) to replay."""

    def put(leaf):
        if isinstance(leaf, ReplayState):
            return leaf._replace(scales=jnp.asarray(scales, jnp.float32))
        return leaf

    return jax.tree.map(put, opt_state, is_leaf=lambda x: isinstance(x, ReplayState))
