"""Checks of the arguments of `anneal`; errors name the argument and its range."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax.annealing import _cooling as cooling
from landmod_jax.annealing._methods import METHODS, Method


def method_of(method: Any, scheme: Any, f: Any, eps: Any, threshold: Any) -> Method:
    _checks.choice("method", method, METHODS)
    how = METHODS[method]
    if scheme is not None:
        _checks.choice(f"scheme of {method!r}", scheme, how.schemes)
    for name, value in (("f", f), ("threshold", threshold)):
        if value is not None and not how.modified:
            raise ValueError(
                f"{method!r} does not take {name}: only the improved methods do"
            )
    if eps is not None and method != "improved_kinetic":
        raise ValueError(f"{method!r} does not take eps: only 'improved_kinetic' does")
    return how


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
            "x0[None]"
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
    for leaf, array in zip(leaves, arrays):
        check_range("x0", leaf, array)
    chains = {array.shape[:1] for array in arrays}
    if len(chains) > 1 or chains in ({()}, {(0,)}):
        raise ValueError(
            "x0 must have a leading axis of chains, the same in all of its arrays; got "
            f"shapes {', '.join(str(array.shape) for array in arrays)}: pass a single "
            "state as jax.tree.map(lambda leaf: leaf[None], state)"
        )
    # By astype, for a dtype that is not weak.
    return jax.tree.unflatten(structure, [a.astype(a.dtype) for a in arrays])


def check_range(name: str, given: Any, array: jax.Array) -> None:
    """Check that array, given as `given`, has its integers: JAX wraps larger ones."""
    if isinstance(given, jax.Array) or not jnp.issubdtype(array.dtype, np.integer):
        return
    if any(map(_checks.traced, jax.tree.leaves(given))):
        return
    numbers, limits = np.asarray(given), jnp.iinfo(array.dtype)
    if ((numbers < limits.min) | (numbers > limits.max)).any():
        raise ValueError(
            f"{name} must have integers that {array.dtype} can hold, or floats; got "
            f"{_checks.shown(given)}"
        )


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


def box(bounds: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """low and high, each (d,)."""
    d = x.shape[1]
    sides = []
    for name, side in zip(("low", "high"), _sides(bounds, d)):
        side = _checks.real_array(f"{name} of bounds", side)
        if side.shape not in ((), (1,), (d,)):
            raise ValueError(
                f"{name} of bounds must be a scalar or of shape ({d},), got shape "
                f"{side.shape}"
            )
        sides.append(jnp.broadcast_to(side.astype(x.dtype), (d,)))
    low, high = sides
    if not _ordered(low, high):
        raise ValueError(f"bounds must have low < high, got {_checks.shown(bounds)}")
    inside = (x >= low[None]) & (x <= high[None]) | ~jnp.isfinite(x)
    if not _checks.traced(inside) and not bool(inside.all()):
        raise ValueError("x0 must lie within bounds, but some points are outside")
    return low, high


def _sides(bounds: Any, d: int) -> Any:
    """low and high of a pair of them, or of SciPy's pairs or Bounds."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        return bounds.lb, bounds.ub
    rows = list(bounds) if np.iterable(bounds) else []
    if len(rows) == d and all(map(_is_pair, rows)):
        by_coordinate = [
            [limit if value is None else value for value in side]  # SciPy's None
            for side, limit in zip(zip(*rows), (-np.inf, np.inf))
        ]
        arrays = type(bounds) is tuple and all(hasattr(row, "shape") for row in rows)
        if d != 2 or not (arrays or _is_box(*rows)):
            return by_coordinate
        if _is_box(*by_coordinate) and not arrays and not _equal(rows, by_coordinate):
            raise ValueError(
                "bounds of two coordinates must not fit both (low, high) and a pair "
                f"for each coordinate; got {_checks.shown(bounds)}: pass (low, high) "
                "as a tuple of two arrays, or a scipy.optimize.Bounds"
            )
    if len(rows) != 2:
        raise ValueError(
            "bounds must be a pair (low, high), or such a pair for each of the "
            f"{d} coordinates; got {_checks.shown(bounds)}"
        )
    return rows


def _is_pair(row: Any) -> bool:
    listed = isinstance(row, (tuple, list)) and len(row) == 2
    return listed or getattr(row, "shape", None) == (2,)


def _is_box(low: Any, high: Any) -> bool:
    try:
        return _ordered(*(_checks.real_array("bounds", side) for side in (low, high)))
    except ValueError:
        return False


def _ordered(low: jax.Array, high: jax.Array) -> bool:
    return _checks.traced(low) or _checks.traced(high) or bool((low < high).all())


def _equal(rows: Any, others: Any) -> bool:
    return not any(map(_checks.traced, jax.tree.leaves(rows))) and np.array_equal(
        rows, others
    )


def resumed(start: Any, fresh: Any, steps: int) -> Any:
    """The step of a state given instead of x0; `steps` more must be countable."""

    def types(state: Any) -> Any:
        return jax.tree.map(
            lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), state
        )

    if types(start) != types(fresh):
        raise ValueError(
            "x0 must be the state of a run with the same energy, method, f, threshold "
            f"and number of chains; expected {types(fresh)}, got {types(start)}"
        )
    if not _checks.traced(start.step):
        _checks.integer("x0.step + steps", int(start.step) + steps, least=1)
    return start.step


def on_auto_axes(x: Any, what: str) -> None:
    """Check that x has no chains on an explicit mesh axis, which `what` rejects."""
    for leaf in jax.tree.leaves(x):
        spec = getattr(jax.typeof(leaf).sharding, "spec", ())
        if any(axis is not None for axis in spec):
            raise ValueError(
                f"{what} does not work with chains on an explicit mesh axis: make the "
                "mesh with axis_types=(jax.sharding.AxisType.Auto,)"
            )
