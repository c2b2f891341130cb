"""Programs compiled for functions: the last ones used are kept, and no others."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

_NUMBERS = (jax.Array, np.ndarray, np.generic, float, int)
PROGRAMS = 64  # compiled and kept, the last ones used


def as_pytree(function: Any) -> Any:
    """The function with its numbers as leaves: itself where it is a pytree of them."""
    if all(isinstance(leaf, _NUMBERS) for leaf in jax.tree.leaves(function)):
        return function
    return jax.tree_util.Partial(function)


def kept(make: Callable) -> Callable:
    """`make`, a constructor of jitted functions, remembering its last results.

    A jit each, since `jax.jit` would keep what it has compiled for functions that the
    caller has long thrown away.
    """
    return functools.lru_cache(PROGRAMS)(make)


def program(make: Any, *static: Any) -> Callable:
    """make(*static), a remembered one where the arguments have a hash."""
    try:
        hash(static)
    except TypeError:
        return make.__wrapped__(*static)
    return make(*static)
