"""Running steps and evaluations: compiled once, for any number of seeds.

An epoch is one jitted step per call on a CPU, where XLA compiles convolutions inside a
loop badly (jax issue 12868), and one `lax.scan` on an accelerator.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data import Dataset
from experiments.training import (
    Images,
    Metrics,
    Problem,
    TrainState,
    evaluate_batch,
    init_state,
    step_from_data,
)

EVAL_BATCH = 500


class DeviceData(NamedTuple):
    """A data set on the device, shared by all trainers on it."""

    train: Images
    test: Images

    @classmethod
    def put(cls, dataset: Dataset) -> "DeviceData":
        return cls(
            Images(*map(jnp.asarray, (dataset.train_images, dataset.train_labels))),
            Images(*map(jnp.asarray, (dataset.test_images, dataset.test_labels))),
        )


class Evaluation(NamedTuple):
    accuracy: float  # per cent
    loss: float  # mean over the test set


class Keys(NamedTuple):
    """A run's random streams: the same for both arms of a seed."""

    init: jax.Array
    order: jax.Array
    step: jax.Array
    evaluation: jax.Array

    @classmethod
    def of(cls, seed: int) -> "Keys":
        return cls(*jax.random.split(jax.random.key(seed), 4))


class Trainer:
    """Compiled functions for one problem; run any number of seeds through them."""

    def __init__(
        self,
        problem: Problem,
        data: DeviceData,
        batch_size: int,
        scan: bool | None = None,
    ):
        self.problem = problem
        self.data, self.test = data
        self.batch_size = batch_size
        self.scan = jax.default_backend() != "cpu" if scan is None else scan
        self._init = jax.jit(functools.partial(init_state, problem))
        self._order = jax.jit(
            lambda key, epoch: jax.random.permutation(
                jax.random.fold_in(key, epoch), len(self.data.images)
            )
        )
        self._step = jax.jit(
            functools.partial(step_from_data, problem),
            static_argnames="size",
            donate_argnames="state",
        )
        self._scan = jax.jit(self._scan_epoch, donate_argnames="state")
        self._eval = jax.jit(
            functools.partial(evaluate_batch, problem), static_argnames="size"
        )

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.data.images) // self.batch_size)

    def init(self, keys: Keys) -> TrainState:
        return self._init(keys.init)

    def run_epoch(
        self,
        state: TrainState,
        keys: Keys,
        epoch: int,
        first: int = 0,
        stop: Callable[[], bool] = lambda: False,
        on_steps: Callable[[int], None] = lambda steps: None,
    ) -> tuple[TrainState, Metrics]:
        """The steps of an epoch from the `first` on.

        Returns:
          The state, and (steps,) metrics fetched from the device once, at the end.
          Fewer steps than the epoch has left were run if `stop()` became true; a
          scanned epoch is one dispatch and does not stop on its way.
        """
        order = self._order(keys.order, epoch)
        slices = list(batch_slices(len(self.data.images), self.batch_size))
        if self.scan and first == 0:
            state, metrics = self._scan(state, self.data, order, keys.step)
            on_steps(len(slices))
            return state, jax.device_get(metrics)
        collected = []
        for start, size in slices[first:]:
            if stop():
                break
            state, metrics = self._step(
                state, self.data, order, np.int32(start), keys.step, size=size
            )
            collected.append(metrics)
            on_steps(1)
        if not collected:
            return state, Metrics(*(np.zeros(0, np.float32) for _ in Metrics._fields))
        return state, Metrics(*map(np.stack, zip(*jax.device_get(collected))))

    def _scan_epoch(
        self,
        state: TrainState,
        data: Images,
        order: jax.Array,
        key: jax.Array,
    ) -> tuple[TrainState, Metrics]:
        slices = list(batch_slices(len(data.images), self.batch_size))
        whole = [start for start, size in slices if size == self.batch_size]

        def body(state: TrainState, start: jax.Array) -> tuple[TrainState, Metrics]:
            return step_from_data(
                self.problem, state, data, order, start, key, self.batch_size
            )

        state, metrics = jax.lax.scan(body, state, jnp.asarray(whole, jnp.int32))
        for start, size in slices[len(whole) :]:
            state, last = step_from_data(
                self.problem, state, data, order, jnp.int32(start), key, size
            )
            metrics = jax.tree.map(
                lambda m, x: jnp.concatenate([m, x[None]]), metrics, last
            )
        return state, metrics

    def evaluate(self, state: TrainState, keys: Keys) -> Evaluation:
        """Accuracy and mean loss on the test set."""
        n = len(self.test.images)
        size = EVAL_BATCH if self.problem.eval_mode == "eval" else self.batch_size
        parts = [
            self._eval(state, self.test, np.int32(start), keys.evaluation, size=length)
            for start, length in batch_slices(n, size)
        ]
        correct, loss = np.sum(np.asarray(jax.device_get(parts), np.float64), axis=0)
        return Evaluation(100 * correct / n, loss / n)


def batch_slices(n: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, length) of each mini-batch; the last, partial one is kept."""
    for start in range(0, n, size):
        yield start, min(size, n - start)
