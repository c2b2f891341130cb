"""What `anneal` and `metropolis` share: checks, resuming, records, compilation."""

from collections.abc import Callable
from typing import Any

import jax

from landmod_jax import _checks
from landmod_jax.annealing import _arguments as arguments
from landmod_jax.annealing import _compiled as compiled


def drive(
    run: Callable,
    fresh: Callable,
    functions: tuple[Any, ...],
    settings: Any,
    x: Any,
    start: Any,
    key: Any,
    steps: Any,
    records: Any,
    temperature: Any,
    *numbers: Any,
    positive: bool = False,
) -> Any:
    """What `run` returns, a tuple whose last part is the trajectory.

    Args:
      run: (functions and schedule, settings, ends, x, start, key, *numbers), where ends
        are the step counts, from the first of this run on, between its records.
      fresh: (functions, settings, x) to the state of new chains there, for its types.
      settings: what `run` is compiled for besides its functions.
      x, start: where the chains are, and the state to resume or None.
      positive: whether T = 0 is not allowed.
    """
    steps = _checks.integer("steps", steps, least=1)
    records = _checks.integer("records", records, least=0)
    key = arguments.key(key)
    first = 0
    if start is not None:
        expected = jax.eval_shape(lambda x: fresh(functions, settings, x), x)
        first = arguments.resumed("x0", start, expected, steps)
    schedule = arguments.schedule_of(temperature, first, steps, positive)
    ends = arguments.record_ends(records, steps)
    functions = (*functions, schedule)
    *results, trajectory = compiled.call(
        run, functions, settings, ends, x, start, key, *numbers
    )
    if records == 0:
        trajectory = jax.tree.map(lambda leaf: leaf[:0], trajectory)
    return *results, trajectory
