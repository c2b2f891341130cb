"""How the sides of a benchmark are timed, and summaries of their times."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

Name = TypeVar("Name")


def in_turns(
    sides: Mapping[str, Callable[[], Any]], rounds: int, warm: int
) -> dict[str, list[float]]:
    """Call all sides in each round, every other round in the opposite order.

    Args:
      sides: functions that return when their work is done.
      warm: rounds beforehand that are not timed.

    Returns:
      Seconds of each call, `rounds` of them for each side.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(warm + rounds):
        for name in order(sides, turn):
            began = time.perf_counter()
            sides[name]()
            if turn >= warm:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def order(names: Iterable[Name], turn: int) -> list[Name]:
    """The names, in the opposite order in every other turn."""
    return list(names)[:: -1 if turn % 2 else 1]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """The median of values, with their quartiles and range."""
    import numpy as np

    low, first, median, third, high = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    return {
        "median": float(median),
        "quartiles": [float(first), float(third)],
        "range": [float(low), float(high)],
    }
