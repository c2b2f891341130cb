"""An epoch and a test as one program each, as accelerators run them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from experiments.train.problem import Problem
from experiments.train.step import (
    Draw,
    Images,
    Metrics,
    TrainState,
    batch_slices,
    evaluate_batch,
    step_from_data,
)
from models.accelerated import Accelerated


def train_epoch(
    problem: Problem,
    state: TrainState,
    data: Images,
    epoch: Draw,
    batch_size: int,
    sharding: jax.sharding.NamedSharding | None = None,
) -> tuple[TrainState, Metrics]:
    """All steps of an epoch, with the state packed for an accelerator.

    The last, partial mini-batch is padded to the size of the others, because a program
    with two sizes contains the network twice. (Under pmap it is not padded, because the
    replicas' parts would differ.)
    """
    model: Any = Accelerated(problem.model)
    fast = dataclasses.replace(problem, model=model)
    n = epoch.size
    rest = n % batch_size
    pads = 0 < rest < n and problem.axis_name is None
    if pads:
        more = epoch.order[: batch_size - rest]
        epoch = dataclasses.replace(epoch, order=jnp.append(epoch.order, more))

    def train(state: TrainState, start: Any, size: int) -> Any:
        rows = jnp.minimum(size, n - start) if pads else None
        draw = dataclasses.replace(epoch, start=start, size=size, rows=rows)
        return step_from_data(fast, state, data, draw, sharding)

    images = len(epoch.order)
    state, metrics = _over_slices(train, model.pack(state), images, batch_size)
    return model.unpack(state), metrics


def evaluate_all(
    problem: Problem, state: TrainState, test: Images, key: jax.Array, batch_size: int
) -> tuple[jax.Array, jax.Array]:
    """`evaluate_batch` of each mini-batch of a test set: (mini-batches,) each."""

    def evaluate(_: None, start: Any, size: int) -> tuple[None, Any]:
        return None, evaluate_batch(problem, state, test, start, key, size)

    _, parts = _over_slices(evaluate, None, len(test.images), batch_size)
    return parts


def _over_slices(
    function: Callable[[Any, Any, int], tuple[Any, Any]], carry: Any, n: int, size: int
) -> tuple[Any, Any]:
    """`function(carry, start, length)` for each mini-batch; equal lengths in a loop.

    Returns:
      The last carry, and the function's other results along a new first axis.
    """
    slices = list(batch_slices(n, size))
    whole = [start for start, length in slices if length == size]
    stacked = []
    if whole:
        carry, results = jax.lax.scan(
            lambda carry, start: function(carry, start, size),
            carry,
            jnp.asarray(whole, jnp.int32),
        )
        stacked.append(results)
    for start, length in slices[len(whole) :]:
        carry, last = function(carry, jnp.int32(start), length)
        stacked.append(jax.tree.map(lambda x: x[None], last))
    return carry, jax.tree.map(lambda *parts: jnp.concatenate(parts), *stacked)
