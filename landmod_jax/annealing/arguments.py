"""The arguments of `anneal`, checked: what is wrong is named, with its range."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax._checks import choices
from landmod_jax.annealing import cooling
from landmod_jax.annealing._checks import number
from landmod_jax.annealing.methods import METHODS, Method
from landmod_jax.thresholds import Threshold


def method_of(method: str, scheme: Any, f: Any, eps: Any, threshold: Any) -> Method:
    if method not in METHODS:
        raise ValueError(
            f"method must be one of {choices(method, METHODS)} Got {method!r}."
        )
    how = METHODS[method]
    if scheme is not None and scheme not in how.schemes:
        raise ValueError(
            f"scheme of {method!r} must be one of {choices(scheme, how.schemes)} "
            f"Got {scheme!r}."
        )
    for name, value in (("f", f), ("threshold", threshold)):
        if value is not None and not how.modified:
            raise ValueError(
                f"{method!r} has no {name}: it is for the improved methods"
            )
    if eps is not None and method != "improved_kinetic":
        raise ValueError(f"{method!r} has no eps: it is for 'improved_kinetic'")
    if threshold is not None and not isinstance(threshold, Threshold):
        raise ValueError(
            "threshold must be a Threshold, such as running_min() or constant(0.5); "
            f"got {threshold!r}"
        )
    return how


def points(x0: Any) -> jax.Array:
    x = jnp.asarray(x0)
    if x.ndim != 2 or not x.size:
        raise ValueError(
            f"x0 must have shape (chains, d), got {x.shape}: a single point is x0[None]"
        )
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise ValueError(f"x0 must be real, got dtype {x.dtype}")
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def check_energy(energy: Any, x: jax.Array) -> None:
    if not callable(energy):
        raise ValueError(f"energy must be a function of a point (d,), got {energy!r}")
    out = jax.eval_shape(energy, jax.ShapeDtypeStruct(x.shape[1:], x.dtype))
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.floating):
        raise ValueError(
            f"energy must return a real scalar for a point of shape {x.shape[1:]}, "
            f"got {out}"
        )


def schedule_of(temperature: Any, first: Any, steps: int, positive: bool) -> Callable:
    least = {"above": 0.0} if positive else {"least": 0.0}
    if not callable(temperature):
        number("temperature", temperature, **least)
        return cooling.constant(temperature)
    if not isinstance(first, jax.core.Tracer):
        with jax.ensure_compile_time_eval():
            for step in (first, first + steps - 1):
                number(f"temperature({step})", temperature(jnp.int32(step)), **least)
    if isinstance(temperature, jax.tree_util.Partial):
        return temperature
    return jax.tree_util.Partial(temperature)


def box(bounds: Any, x: jax.Array, at_bounds: str) -> Any:
    try:
        low, high = bounds
        low, high = (
            np.broadcast_to(np.asarray(side, x.dtype), x.shape[1:])
            for side in (low, high)
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bounds must be (low, high), scalars or of shape {x.shape[1:]}: {error}"
        ) from error
    if not (low < high).all():
        raise ValueError(f"bounds must have low < high, got {bounds}")
    if not isinstance(x, jax.core.Tracer) and not bool(
        ((x >= low) & (x <= high) | ~jnp.isfinite(x)).all()
    ):
        raise ValueError("x0 has points outside bounds")
    return low, high
