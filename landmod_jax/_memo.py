"""The same object for the same arguments, so that `jax.jit` knows it again."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_KEPT = 256  # objects of each constructor


def same_for_same_arguments(make: Callable[P, T]) -> Callable[P, T]:
    """`make`, remembering its last results; arguments without a hash make new ones.

    Arrays and traced values have no hash. True is not 1, nor 1 the same as 1.0.
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
