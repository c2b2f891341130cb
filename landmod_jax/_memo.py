"""The same object for the same arguments, so that `jax.jit` recognizes it."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_KEPT = 256  # objects of each constructor


def same_for_same_arguments(make: Callable[P, T]) -> Callable[P, T]:
    """`make`, with a cache of its last results; unhashable arguments bypass the cache.

    Arrays and traced values are unhashable. True, 1 and 1.0 are different arguments.
    """
    remembered = functools.lru_cache(_KEPT, typed=True)(make)
    signature = inspect.signature(make)

    @functools.wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        try:
            hash(bound.args)
        except TypeError:
            return make(*args, **kwargs)
        return remembered(*bound.args)

    return made
