"""Checks of the arguments of annealing; errors name the argument and its range."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax.annealing import _cooling as cooling


def key(value: Any, seeds: bool = False) -> Any:
    """value: one `jax.random` key, typed or not, or if `seeds` also a seed."""
    if seeds and getattr(value, "shape", ()) == () and not is_typed_key(value):
        return _checks.integer("key (or seed)", value, least=0, static=False)
    try:
        # A raw key has no type of its own: drawing from it shows whether it is one.
        one = value if is_typed_key(value) else jax.eval_shape(jax.random.bits, value)
        fine = one.shape == ()
    except Exception:
        fine = False
    if not fine:
        raise ValueError(
            "key must be a single jax.random key, such as jax.random.key(0)"
            f"{', or a seed' if seeds else ''}; got {_checks.shown(value)}"
        )
    return value


def is_typed_key(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)


def points(x0: Any) -> jax.Array:
    x = _checks.real_array("x0", x0)
    if x.ndim != 2 or not x.size:
        raise ValueError(
            f"x0 must have shape (chains, d), got {x.shape}: pass a single point as "
            "x0[None], and points of several axes flattened"
        )
    return x


def states(x0: Any) -> Any:
    """x0, a pytree whose leaves have a leading axis of chains, as arrays."""
    leaves, structure = jax.tree.flatten(x0)
    try:
        arrays = [jnp.asarray(leaf) for leaf in leaves]
        fine = all(
            jnp.issubdtype(array.dtype, np.number) or array.dtype == bool
            for array in arrays
        )
    except Exception:
        fine = False
    if not leaves or not fine:
        raise ValueError(
            "x0 must be a pytree of arrays of numbers or booleans; got "
            f"{_checks.shown(x0)}"
        )
    chains = {array.shape[:1] for array in arrays}
    if len(chains) > 1 or chains in ({()}, {(0,)}):
        raise ValueError(
            "x0 must have a leading axis of chains, the same in all of its arrays; got "
            f"shapes {', '.join(str(array.shape) for array in arrays)}: pass a single "
            "state as jax.tree.map(lambda leaf: leaf[None], state)"
        )
    # By astype, for a dtype that is not weak.
    return jax.tree.unflatten(structure, [a.astype(a.dtype) for a in arrays])


def check_energy(energy: Any, point: Any) -> None:
    """Check that energy returns a floating-point scalar for such a point (abstract)."""
    out = _checks.real_scalar_function("energy", energy, point)
    if not jnp.issubdtype(out.dtype, jnp.floating):
        raise ValueError("energy must return a floating-point scalar, got an integer")


def record_ends(records: int, steps: int) -> np.ndarray:
    """The step counts at which a run is split for its records."""
    segments = max(1, min(records, steps))
    return np.array([i * steps // segments for i in range(segments + 1)], np.int32)


def schedule_of(temperature: Any, first: Any, steps: int, positive: bool) -> Callable:
    limits: dict[str, Any] = {"above": 0} if positive else {"least": 0}
    temperature = _checks.rate("temperature", temperature, **limits)
    if not callable(temperature):
        return cooling.constant(temperature)
    with jax.ensure_compile_time_eval():
        at_start = _temperature(temperature, first)
        # A schedule that ends at 0 may end a rounding error below it; it is kept at 0.
        least = -1e-6 * abs(at_start) if at_start is not None else 0.0
        last = None if _checks.traced(first) else first + steps - 1
        for step, T in ((first, at_start), (last, _temperature(temperature, last))):
            if T is not None and not least <= T < float("inf"):
                raise ValueError(
                    f"temperature({step}) must be a finite real number of at least 0; "
                    f"got {T}"
                )
    return temperature


def _temperature(schedule: Callable, step: Any) -> float | None:
    """T at a step, if it is already known."""
    if step is None or _checks.traced(step):
        return None
    T = _checks.scheduled(f"temperature({step})", schedule, jnp.int32(step))
    return None if _checks.traced(T) else float(T)


def box(bounds: Any) -> tuple[jax.Array, jax.Array] | None:
    """low and high."""
    if bounds is None:
        return None
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # as SciPy has them
        bounds = bounds.lb, bounds.ub
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        raise ValueError(
            "bounds must be a tuple (low, high) or a scipy.optimize.Bounds; got "
            f"{_checks.shown(bounds)}"
        )
    low, high = (_checks.real_array("bounds", side) for side in bounds)
    return low, high


def check_within(box: tuple[jax.Array, jax.Array] | None, x: jax.Array) -> None:
    if box is None:
        return
    d = x.shape[1]
    for side in box:
        if side.shape not in ((), (1,), (d,)):
            raise ValueError(
                f"low and high of bounds must be scalars or of shape ({d},), got shape "
                f"{side.shape}"
            )
    low, high = (jnp.broadcast_to(side.astype(x.dtype), (1, d)) for side in box)
    for right, message in (
        (low < high, "bounds must have low < high"),
        ((x >= low) & (x <= high) | ~jnp.isfinite(x), "x0 must lie within bounds"),
    ):
        if not _checks.traced(right) and not bool(right.all()):
            raise ValueError(f"{message}, got {low[0]} and {high[0]}")


def resumed(name: str, start: Any, fresh: Any, steps: int) -> Any:
    """The step of a state to go on from, which is of the same types as a fresh one."""

    types = [
        jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), state)
        for state in (fresh, start)
    ]
    if types[0] != types[1]:
        raise ValueError(
            f"{name} must be the state of a run with the same energy, method, f, "
            f"threshold and number of chains; expected {types[0]}, got {types[1]}"
        )
    if not _checks.traced(start.step):
        _checks.integer(f"{name}.step + steps", int(start.step) + steps, least=1)
    return start.step
