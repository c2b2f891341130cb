"""All argument checks. Errors name the argument, its range, and what was given.

Of traced values, only the shape and dtype are checked.
"""

import difflib
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax._numerics import widened

_INT32_MAX = 2**31 - 1


def choices(name: object, known: Iterable[str]) -> str:
    """The known names, and the name that was probably meant."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{', '.join(map(repr, known))}{hint}"


def choice(name: str, value: Any, known: Iterable[str]) -> str:
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(
        f"{name} must be one of {choices(value, known)}; got {shown(value)}"
    )


def shown(value: Any) -> str:
    """repr, cut if it is long: arrays and modules print pages."""
    if traced(value):
        return f"a traced value of type {jax.typeof(value)}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def brief(error: Exception) -> str:
    """The first line of JAX's error; its other lines are for JAX's developers."""
    return f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0]}"


def traced(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer)


def fixed(value: Any) -> bool:
    """Whether Python may branch on it: not on an array, which may be traced later.

    `optax.inject_hyperparams` passes arrays to init and tracers to update, and the
    state must have the same structure in both.
    """
    return isinstance(value, float)


def number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    infinite: bool = False,
    otherwise: str = "",
) -> Any:
    """A real scalar that is > above, ≥ least, < below, finite if not `infinite`.

    Arrays of JAX stay arrays; everything else becomes a float.

    `otherwise` says in the message what else is allowed, such as a schedule.
    """
    if _is_real_scalar(value):
        if traced(value):
            return value
        x = float(value)
        in_range = (x > above or above == -math.inf) and x >= least
        in_range &= x < below or below == math.inf
        if in_range and (math.isfinite(x) or infinite):
            return value if isinstance(value, jax.Array) else x
    kind = "a real number" if infinite else "a finite real number"
    limits = ""
    if below < math.inf:
        low = f"[{least:g}" if least > above else f"({above:g}"
        limits = f" in {low}, {below:g})"
    elif above > -math.inf:
        limits = f" greater than {above:g}"
    elif least > -math.inf:
        limits = f" of at least {least:g}"
    raise ValueError(f"{name} must be {kind}{limits}{otherwise}; got {shown(value)}")


def rate(name: str, value: Any, **limits: Any) -> Any:
    """A number, or a schedule: a function of the step."""
    if callable(value):
        return function(name, value, 1)
    return number(
        name, value, **limits, otherwise=", or a schedule (a function of the step)"
    )


def scheduled(name: str, schedule: Callable, step: Any) -> Any:
    """What the schedule returns for a step: any real scalar."""
    wanted = f"{name} is a schedule, which must return a real scalar for a step"
    try:
        value = schedule(step)
    except Exception as error:
        raise ValueError(f"{wanted}; it failed: {brief(error)}") from error
    if not _is_real_scalar(value):
        raise ValueError(f"{wanted}; got {shown(value)}")
    return value


def integer(name: str, value: Any, *, least: int, static: bool = True) -> Any:
    """An integer ≥ least; may be traced where it is not `static`."""
    if not static and traced(value) and jnp.issubdtype(value.dtype, jnp.integer):
        return value
    try:
        # Of what is traced, operator.index raises a TypeError too.
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(
            f"{name} must be an integer of at least {least}, got {shown(value)}"
        )
    if number > _INT32_MAX:
        raise ValueError(f"{name} must be at most {_INT32_MAX}, got {shown(value)}")
    return number


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def function(name: str, value: Any, arguments: int) -> Callable:
    if not callable(value):
        plural = "s" if arguments > 1 else ""
        raise ValueError(
            f"{name} must be a function of {arguments} argument{plural}; "
            f"got {shown(value)}"
        )
    return value


def uncalled(name: str, value: Any) -> str:
    """A hint for callers who pass a factory instead of its result."""
    if not callable(value):
        return ""
    return f"; call it: {name}={getattr(value, '__name__', 'it')}()"


def real_scalar_function(name: str, f: Any, *arguments: Any) -> jax.ShapeDtypeStruct:
    """What f returns for such arguments, abstract; it must be a real scalar."""
    function(name, f, len(arguments))
    leaves = jax.tree.leaves(arguments)
    given = ", ".join(f"{a.dtype.name}{list(a.shape)}" for a in leaves)
    try:
        # JAX asks a callable pytree for its repr, which would print its arrays.
        out = jax.eval_shape(lambda *arguments: f(*arguments), *arguments)
    except Exception as error:
        raise ValueError(
            f"{name} must be a function that JAX can trace; called with {given} it "
            f"failed: {brief(error)}"
        ) from error
    leaf = isinstance(out, jax.ShapeDtypeStruct)
    if not leaf or out.shape or not is_real(out.dtype):
        raise ValueError(
            f"{name} must return a real scalar; for {given} it returned {shown(out)}"
        )
    return out


def transformation(name: str, value: Any) -> Any:
    """An optax transformation, or an object with its methods, as optax.MultiSteps."""
    if hasattr(value, "init") and hasattr(value, "update"):
        return value
    raise ValueError(
        f"{name} must be an optax transformation, such as optax.sgd(0.1) or "
        f"landscape_modify(); got {shown(value)}{uncalled(name, value)}"
    )


def axis(name: str, value: Any) -> str | tuple[str, ...]:
    """One axis name, or several as a tuple."""
    if isinstance(value, str):
        return value
    names = tuple(value) if isinstance(value, (tuple, list)) else ()
    if names and all(isinstance(axis, str) for axis in names):
        return names
    raise ValueError(
        f"{name} must be the name of a mapped axis or a tuple of such names; "
        f"got {shown(value)}"
    )


def over_axis(collective: Callable, value: Any, axis_name: Any) -> jax.Array:
    try:
        return collective(value, axis_name)
    except NameError as error:
        raise ValueError(
            f"axis_name is {axis_name!r}, which names no mapped axis here: call update "
            "inside the pmap, vmap or shard_map that maps it"
        ) from error


def loss(value: Any, user: str, dtype: Any) -> jax.Array:
    """The `value` of an update, a real scalar array of this dtype."""
    if value is None:
        raise ValueError(
            f"{user} needs the loss of this step. Write\n"
            "    updates, state = tx.update(grads, state, params, value=loss)\n"
            "If you already do, a wrapper around it drops the argument; "
            "docs/compatibility.md shows what to write instead."
        )
    if isinstance(value, (tuple, list)):
        raise ValueError(
            f"value must be a scalar, the loss only; got a {type(value).__name__} of "
            f"{len(value)}: with has_aux=True, write (loss, aux), grads = ... and pass "
            "value=loss"
        )
    if shape := getattr(value, "shape", ()):
        raise ValueError(
            f"value must be a scalar, got shape {shape}: average the loss over the "
            "batch, value=loss.mean()"
        )
    if not _is_real_scalar(value):
        raise ValueError(f"value must be real, the loss; got {shown(value)}")
    return _as_array(value, dtype)


def real_array(name: str, value: Any) -> jax.Array:
    """value as an array of at least float32; integers become JAX's default float."""
    array = _real(_as_array, name, value)
    integers = jnp.issubdtype(array.dtype, jnp.integer)
    return array.astype(float if integers else widened(array.dtype))


def float64(name: str, value: Any) -> np.ndarray:
    """value as a NumPy array of float64, whatever JAX has enabled."""
    return _real(np.asarray, name, value).astype(np.float64)


def _real(as_array: Callable, name: str, value: Any) -> Any:
    wanted = f"{name} must be an array of real numbers"
    try:
        array = as_array(value)
    except Exception as error:
        raise ValueError(f"{wanted}; got {shown(value)}") from error
    if not is_real(array.dtype):
        raise ValueError(f"{wanted}; got dtype {array.dtype}")
    return array


def _as_array(value: Any, dtype: Any = None) -> jax.Array:
    if not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value)):
        value = np.asarray(value)
        if jnp.issubdtype(value.dtype, jnp.integer):  # JAX wraps those beyond int32
            value = value.astype(np.float64)
    with np.errstate(over="ignore"):  # beyond float32, it is infinite
        return jnp.asarray(value, dtype)


def is_real(dtype: Any) -> bool:
    real = jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)
    return real and dtype != jax.dtypes.float0


def _is_real_scalar(value: Any) -> bool:
    if isinstance(value, (jax.Array, np.ndarray, np.generic)):
        return value.shape == () and is_real(value.dtype)
    return isinstance(value, (int, float)) and not isinstance(value, bool)
