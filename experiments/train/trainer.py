"""Runs steps and tests, compiled once for any number of seeds.

An epoch is one jitted step per call on a CPU, where XLA compiles convolutions inside a
loop badly (jax issue 12868), and one `lax.scan` on an accelerator.
"""

import contextlib
import functools
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.data.loading import Dataset
from experiments.train import scanning
from experiments.train.placement import PLACEMENTS, Parallel
from experiments.train.problem import Problem
from experiments.train.step import (
    Average,
    Draw,
    Images,
    Metrics,
    TrainState,
    add_to_average,
    batch_slices,
    evaluate_batch,
    init_state,
    statistics_from_data,
    step_from_data,
)
from models import compiler_options

EVAL_BATCH = 500
# JAX returns before a step is done. With one step waiting, the device is never idle,
# and a request to stop waits for two steps at most.
STEPS_AHEAD = 2
NO_STEPS = Metrics(*(np.zeros(0, np.float32) for _ in Metrics._fields))


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
    accuracy: float  # percent
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


class Hooks(NamedTuple):
    """Callbacks between two calls of a compiled function."""

    stop: Callable[[], bool] = lambda: False  # whether to stop training
    on_steps: Callable[[int], None] = lambda steps: None  # this many more are done
    compiling: Callable[[bool], None] = lambda now: None  # True at the start


NO_HOOKS = Hooks()


class Trainer:
    """Compiled functions for one problem; run any number of seeds through them.

    Args:
      problem: the training problem; with "pmap", one for the axis AXIS.
      data: the data set.
      batch_size: images per step, over all devices.
      scan: whether an epoch and a test are one dispatch each; by default, on
        accelerators.
      parallel: how a mini-batch is spread over the devices: not at all, by
        `jax.pmap`, or by the compiler over a mesh of all processes' devices. Each gives
        the trajectory of one device, up to rounding and, with pmap, the dropout masks.
        States look as on one device.
      onednn: compile with `models.compiler_options()`; not with pmap, which takes none.
    """

    def __init__(
        self,
        problem: Problem,
        data: DeviceData,
        batch_size: int,
        scan: bool | None = None,
        parallel: Parallel = "none",
        onednn: bool = False,
    ):
        self._place = PLACEMENTS[parallel]()
        options = compiler_options() if onednn else None
        sharding = self._place.batch_sharding
        step = functools.partial(step_from_data, problem, sharding=sharding)
        epoch = functools.partial(
            scanning.train_epoch, problem, batch_size=batch_size, sharding=sharding
        )
        self._step = self._place.compiled(step, options)
        self._scan = self._place.compiled(epoch, options)
        self.problem = problem
        self.data = self._place.spread(data.train)
        self.test = data.test
        self.batch_size = batch_size
        self.scan = jax.default_backend() != "cpu" if scan is None else scan
        self._n = len(data.train.images)
        self._test_batch = EVAL_BATCH if problem.eval_mode == "eval" else batch_size
        self._compiled: set[Hashable] = set()
        # Weights are initialized, averaged and tested on one device, without the axis.
        alone = problem.on_one_device()
        evaluate_all = functools.partial(
            scanning.evaluate_all, alone, batch_size=self._test_batch
        )
        self._init = jax.jit(functools.partial(init_state, alone))
        self._evaluate_all = jax.jit(evaluate_all, compiler_options=options)
        self._evaluate_batch = jax.jit(
            functools.partial(evaluate_batch, alone),
            static_argnames="size",
            compiler_options=options,
        )
        self._add_to_average = jax.jit(add_to_average, donate_argnums=0)
        self._statistics = jax.jit(
            functools.partial(statistics_from_data, alone), compiler_options=options
        )
        self._order = jax.jit(
            lambda key, epoch: jax.random.permutation(
                jax.random.fold_in(key, epoch), self._n
            )
        )

    @property
    def steps_per_epoch(self) -> int:
        return -(-self._n // self.batch_size)

    def init(self, keys: Keys) -> TrainState:
        return self._init(keys.init)

    def run_epoch(
        self,
        state: TrainState,
        keys: Keys,
        epoch: int,
        first: int = 0,
        hooks: Hooks = NO_HOOKS,
    ) -> tuple[TrainState, Metrics]:
        """The steps of an epoch, starting at `first`.

        Returns:
          The state, and (steps,) metrics, fetched from the device once at the end. They
          are NaN where the arm has no such metric.
          If `hooks.stop()` becomes true, the rest of the epoch is not run; a scanned
          epoch is one dispatch and does not stop early.
        """
        order = self._place.share(self._order(keys.order, epoch))
        state = self._place.spread(state)
        if self.scan and first == 0:
            # The sizes of the mini-batches follow from the whole epoch.
            run, dispatches = self._scan, [(0, self._n)]
        else:
            run = self._step
            dispatches = [*batch_slices(self._n, self.batch_size)][first:]
        collected: list[Metrics] = []
        for start, size in dispatches:
            if len(collected) >= STEPS_AHEAD:
                jax.block_until_ready(collected[-STEPS_AHEAD])
            if hooks.stop():
                break
            draw = Draw(order, np.int32(start), keys.step, size)
            with self._calling(run, size, hooks):
                state, metrics = run(state, self.data, draw)
            collected.append(metrics)
            hooks.on_steps(-(-size // self.batch_size))
        state, collected = self._place.gather((state, collected))
        return state, joined(jax.device_get(collected))

    def evaluate(
        self, state: TrainState, keys: Keys, hooks: Hooks = NO_HOOKS
    ) -> Evaluation:
        """Accuracy and mean loss on the test set."""
        n, key = len(self.test.images), keys.evaluation
        if self.scan:
            with self._calling(self._evaluate_all, n, hooks):
                parts = jax.device_get(self._evaluate_all(state, self.test, key))
        else:
            tested = []
            for start, size in batch_slices(n, self._test_batch):
                at = np.int32(start)
                with self._calling(self._evaluate_batch, size, hooks):
                    part = self._evaluate_batch(state, self.test, at, key, size=size)
                tested.append(part)
            parts = np.transpose(jax.device_get(tested))
        correct, loss = np.sum(np.asarray(parts, np.float64), axis=1)
        return Evaluation(100 * correct / n, loss / n)

    def add_to_average(self, state: TrainState) -> TrainState:
        """Add the weights to their mean (weight averaging)."""
        return self._add_to_average(state)

    def averaged(self, state: TrainState, keys: Keys) -> TrainState:
        """The state with the averaged weights, and batch-norm statistics for them.

        The statistics are the mean over one pass over the augmented training set.
        """
        assert isinstance(state.average, Average)
        averaged = state._replace(params=state.average.params)
        if not jax.tree.leaves(state.batch_stats):
            return averaged
        train = self._place.gather(self.data)
        order = self._order(keys.order, 0)  # epochs count from 1
        zeros = optax.tree.zeros_like(state.batch_stats)
        total = zeros
        for start, size in batch_slices(self._n, self.batch_size):
            draw = Draw(order, np.int32(start), keys.step, size)
            part = self._statistics(averaged.params, zeros, train, draw)
            total = jax.tree.map(lambda t, x, n=size: t + n / self._n * x, total, part)
        return averaged._replace(batch_stats=total)

    @contextlib.contextmanager
    def _calling(self, function: Callable, size: int, hooks: Hooks) -> Iterator[None]:
        """Wraps a call; the first call of its kind returns once JAX has compiled."""
        first = (function, size) not in self._compiled
        if first:
            hooks.compiling(True)
        try:
            yield
        finally:
            if first:
                hooks.compiling(False)
        self._compiled.add((function, size))


def joined(parts: Iterable[Metrics]) -> Metrics:
    """Scalars or (steps,) arrays, concatenated to (steps,); NaN for None."""
    filled = [
        Metrics(*(np.full_like(part.loss, np.nan) if x is None else x for x in part))
        for part in (NO_STEPS, *parts)
    ]
    return Metrics(*map(np.hstack, zip(*filled)))
