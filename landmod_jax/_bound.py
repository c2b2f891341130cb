"""Functions with bound arguments, which compare by both and can be pickled."""

import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Bound:
    """`function` with its last arguments given; partials would compare by identity."""

    function: Callable
    last: tuple[Any, ...]

    def __call__(self, *first: Any) -> Any:
        return self.function(*first, *self.last)
