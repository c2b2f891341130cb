"""One threshold c for a whole population."""

from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp

from landmod_jax import _checks
from landmod_jax import _thresholds as thresholds
from landmod_jax._bound import Bound
from landmod_jax._thresholds import CHAINS, Threshold

Reduce = Literal["min", "mean"]


def population(
    reduce: Reduce = "min",
    axis_name: str | tuple[str, ...] = CHAINS,
    rule: Threshold | None = None,
) -> Threshold:
    """c follows a whole population instead of each member separately.

    Every member receives the minimum or the mean of the population's losses at this
    step, and `rule` computes c from it. With `running_min()`, c is the smallest minimum
    (or mean) so far; with `windowed_min(1)`, it is this step's, and can rise.

    Non-finite losses are ignored. If no loss is finite, c keeps its value.

    Args:
      reduce: "min" or "mean".
      axis_name: the mapped axis of the population, or several. In `annealing.anneal`
        and `annealing.metropolis`, "chains" is the axis of the chains. In
        `landscape_modify`, it is the axis of the vmap or shard_map around `update`. A
        vmap inside a shard_map needs the latter's check_vma=False.
      rule: the threshold for one member; by default `running_min()`.

    Raises:
      ValueError: an argument is none of the above, or, when c is updated, `axis_name`
        does not name a mapped axis.

    Example:
      >>> import jax, jax.numpy as jnp, landmod_jax as lm
      >>> particles = lm.population("min", axis_name="particles")
      >>> tx = lm.landscape_modify(threshold=particles)
      >>> def update(loss):
      ...     return tx.update(1.0, tx.init(None), value=loss)[1].c
      >>> print(jax.vmap(update, axis_name="particles")(jnp.array([3.0, 1.0])))
      [1. 1.]
    """
    _checks.choice("reduce", reduce, get_args(Reduce))
    axis_name = _checks.axis("axis_name", axis_name)
    rule = thresholds.resolve(rule, "rule")
    if rule.share is not None:
        raise ValueError("rule must be the threshold of one member, got a population's")
    return Threshold(rule.init, rule.update, Bound(_share, (reduce, axis_name)))


def _share(value: jax.Array, reduce: Reduce, axis_name: Any) -> jax.Array:
    return _checks.over_axis(_min if reduce == "min" else _mean, value, axis_name)


def _mean(value: jax.Array, axis_name: Any) -> jax.Array:
    seen = jnp.isfinite(value)
    total = _over(jax.lax.psum, jnp.where(seen, value, 0), axis_name)
    return total / _over(jax.lax.psum, seen.astype(value.dtype), axis_name)


def _over(collective: Any, value: jax.Array, axis_name: Any) -> jax.Array:
    # One after the other: no single call accepts a vmap's axis and a mesh's together.
    for axis in (axis_name,) if isinstance(axis_name, str) else axis_name:
        value = collective(value, axis)
    return value


def _min(value: jax.Array, axis_name: Any) -> jax.Array:
    seen = jnp.where(jnp.isfinite(value), value, jnp.inf)
    return _over(jax.lax.pmin, seen, axis_name)
