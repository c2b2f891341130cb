"""Compiled programs by function; only the most recently used ones are kept."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

_NUMBERS = (jax.Array, np.ndarray, np.generic, float, int)
PROGRAMS = 64  # kept, the most recently used


def as_pytree(function: Any) -> Any:
    """The function as a pytree of its numbers; itself if it already is one."""
    if all(isinstance(leaf, _NUMBERS) for leaf in jax.tree.leaves(function)):
        return function
    return jax.tree_util.Partial(function)


def kept(make: Callable) -> Callable:
    """`make`, a constructor of jitted functions, with a cache of its last results.

    Each result has its own jit, because one `jax.jit` would keep programs for functions
    that the caller discarded long ago.
    """
    return functools.lru_cache(PROGRAMS)(make)


def program(make: Any, *static: Any) -> Callable:
    """make(*static), from the cache if the arguments are hashable."""
    try:
        hash(static)
    except TypeError:
        return make.__wrapped__(*static)
    return make(*static)
