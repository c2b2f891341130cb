"""Compiled programs, forgotten together with the functions that they were made for."""

import functools
import inspect
import weakref
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
_MOST = 64
_programs: dict[Any, Callable] = {}  # the most recently used last


def call(
    run: Callable, functions: Iterable[Any], settings: Hashable, *arguments: Any
) -> Any:
    """run(functions, settings, *arguments), jitted.

    This compiles once for these functions, apart from the numbers that they are bound
    to, for equal settings and for a set of shapes. A program refers to the functions
    weakly, so nothing that they close over outlives them. Under another transformation,
    no program is kept: settings may close over tracers, and an outer jit keeps all.
    """
    bare, numbers = zip(*map(_split, functions))
    program = None if _is_transformed() else _kept(run, bare, settings)
    if program is None:
        program = _jitted(run, [lambda f=f: f for f in bare], settings)
    return program(numbers, *arguments)


def _kept(run: Callable, functions: Any, settings: Any) -> Callable | None:
    """None if something has no hash or no weak references."""
    try:
        key = run, tuple(map(_weak, functions)), settings
        known = _programs.pop(key, None)
    except TypeError:
        return None
    program = _programs[key] = known or _jitted(*key)
    for oldest in list(_programs)[:-_MOST]:
        _programs.pop(oldest, None)
    return program


def _jitted(run: Callable, references: Any, settings: Any) -> Callable:
    def program(numbers: Any, *arguments: Any) -> Any:
        functions = [_joined(ref(), n) for ref, n in zip(references, numbers)]
        return run(functions, settings, *arguments)

    return jax.jit(program)


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


def _weak(function: Any) -> Callable:
    if function is None:
        return _none
    kind = weakref.WeakMethod if inspect.ismethod(function) else weakref.ref
    return kind(function, _forget)


def _none() -> None:
    return None


def _forget(reference: Any) -> None:
    for key in list(_programs):
        if any(reference is of_key for of_key in key[1]):
            _programs.pop(key, None)


def _is_transformed() -> bool:
    here = get_opaque_trace_state()
    with jax.core.eval_context():
        return here != get_opaque_trace_state()
