"""Programs that are compiled once for equal functions, settings and shapes."""

import functools
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import jax
import numpy as np
from jax.tree_util import Partial

try:
    from jax.extend.core import get_opaque_trace_state
except ImportError:  # jax 0.7 and older
    from jax import core

    get_opaque_trace_state = functools.partial(core.get_opaque_trace_state, "")

_NUMBERS = (jax.Array, np.ndarray, np.generic, float, int)


def call(
    run: Callable, functions: Iterable[Any], settings: Hashable, *arguments: Any
) -> Any:
    """run(functions, settings, *arguments), jitted.

    This compiles once for these functions, apart from the numbers that they are bound
    to, for equal settings and for a set of shapes. Under another transformation, no
    program is kept: functions may close over tracers, and an outer jit keeps all.
    """
    bare, numbers = zip(*map(_split, functions))
    program = _jitted if _is_transformed() else _kept
    try:
        jitted = program(run, bare, settings)
    except TypeError:  # something has no hash
        jitted = _jitted(run, bare, settings)
    return jitted(numbers, *arguments)


def _jitted(run: Callable, bare: tuple[Any, ...], settings: Any) -> Callable:
    def program(numbers: Any, *arguments: Any) -> Any:
        return run(tuple(map(_joined, bare, numbers)), settings, *arguments)

    return jax.jit(program)


# Few, because each holds what its functions close over.
_kept = functools.lru_cache(maxsize=32)(_jitted)


def _split(function: Any) -> tuple[Any, Any]:
    """What a program is compiled for, if anything, and the numbers: its arguments."""
    if not all(isinstance(leaf, _NUMBERS) for leaf in jax.tree.leaves(function)):
        return function, None
    if isinstance(function, Partial):
        return function.func, (function.args, function.keywords)
    return None, function


def _joined(bare: Any, numbers: Any) -> Any:
    if bare is None or numbers is None:
        return numbers if bare is None else bare
    return Partial(bare, *numbers[0], **numbers[1])


def _is_transformed() -> bool:
    here = get_opaque_trace_state()
    with jax.core.eval_context():
        return here != get_opaque_trace_state()
