"""What `anneal` and `metropolis` share: checks, resuming, records, compilation."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax.annealing import _arguments as arguments
from landmod_jax.annealing import _compiled as compiled

_CHECKS = 100  # of a run without records


def drive(
    run: Callable,
    fresh: Callable,
    started: Callable,
    functions: tuple[Any, ...],
    settings: Any,
    x: Any,
    start: Any,
    key: Any,
    steps: Any,
    records: Any,
    temperature: Any,
    target: Any,
    time_limit: Any,
    *numbers: Any,
    positive: bool = False,
) -> Any:
    """What `run` returns: the chains' best values, their state and the trajectory.

    Args:
      run: (functions and schedule, settings, ends, x, start, key, *numbers), where ends
        are the step counts, from the first of this run on, between its records.
      fresh: (functions, settings, x) to the state of new chains there, for its types.
      started: the same, to their state.
      settings: what `run` is compiled for besides its functions.
      x, start: where the chains are, and the state to resume or None.
      positive: whether T = 0 is not allowed.
    """
    began = time.monotonic()
    steps = _checks.integer("steps", steps, least=1)
    records = _checks.integer("records", records, least=0)
    key = arguments.key(key)
    first = 0
    if start is not None:
        expected = jax.eval_shape(lambda x: fresh(functions, settings, x), x)
        first = arguments.resumed("x0", start, expected, steps)
    schedule = arguments.schedule_of(temperature, first, steps, positive)
    stops = target is not None or time_limit is not None
    if target is not None:
        target = float(_checks.number("target", target))
    if time_limit is not None:
        time_limit = float(_checks.number("time_limit", time_limit, above=0))
    ends = arguments.record_ends(records or stops * _CHECKS, steps)
    known = (*functions, schedule)
    if not stops:
        best, state, trajectory = compiled.call(
            run, known, settings, ends, x, start, key, *numbers
        )
    else:
        if start is None:
            start = compiled.call(started, functions, settings, x)
        pieces = []
        for length in np.diff(ends):
            between = np.array([0, length], np.int32)
            best, start, piece = compiled.call(
                run, known, settings, between, None, start, key, *numbers
            )
            pieces.append(piece)
            if _checks.traced(best):
                raise ValueError(
                    "target and time_limit stop a run early, which is impossible under "
                    "jax.jit, jax.vmap or another transformation"
                )
            if target is not None and float(best.min()) <= target:
                break
            if time_limit is not None:
                jax.block_until_ready(best)
                if time.monotonic() - began >= time_limit:
                    break
        state = start
        trajectory = jax.tree.map(lambda *parts: jnp.concatenate(parts), *pieces)
    if records == 0:
        trajectory = jax.tree.map(lambda leaf: leaf[:0], trajectory)
    return best, state, trajectory
