"""Running steps and evaluations: compiled once, for any number of seeds.

An epoch is one jitted step per call on a CPU, where XLA compiles convolutions inside a
loop badly (jax issue 12868), and one `lax.scan` on an accelerator.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.data.loading import Dataset
from experiments.train.placement import PLACEMENTS, Parallel
from experiments.train.step import (
    Average,
    Draw,
    Images,
    Metrics,
    Problem,
    TrainState,
    add_to_average,
    batch_statistics,
    evaluate_batch,
    init_state,
    make_batch,
    step_from_data,
)
from models import compiler_options
from models.accelerated import Accelerated

EVAL_BATCH = 500

# Told True when JAX starts to compile, False when it has.
Compiling = Callable[[bool], None]


def _not_told(now: bool) -> None:
    pass


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


def _without_none(metrics: Metrics) -> Metrics:
    return Metrics(
        *(np.full_like(metrics.loss, np.nan) if x is None else x for x in metrics)
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
    """Compiled functions for one problem; run any number of seeds through them.

    Args:
      problem: what is trained; with "pmap" one for the axis AXIS.
      data: the data set.
      batch_size: images a step, over all devices.
      scan: an epoch in one dispatch; by default on accelerators.
      parallel: how a mini-batch is spread over the devices: not at all, by
        `jax.pmap`, or by the compiler over a mesh of all processes' devices. Each gives
        the trajectory of one device, up to rounding and, with pmap, the dropout masks.
        States go in and out as on one device.
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
        self._step = self._place.compiled(self._train_on, options)
        self._scan = self._place.compiled(self._scan_epoch, options)
        self._scan_tested = self._place.compiled(self._scan_and_test, options)
        self._tests_in_scan = parallel == "none"
        self.problem = problem
        self.data = self._place.spread(data.train)
        self.test = data.test
        self.batch_size = batch_size
        self.scan = jax.default_backend() != "cpu" if scan is None else scan
        self._n = len(data.train.images)
        self._compiled: set[tuple[str, int]] = set()
        self._test_batch = EVAL_BATCH if problem.eval_mode == "eval" else batch_size
        # Weights are made and tested on one device, where there is no axis.
        alone = problem
        if problem.axis_name is not None:
            model = problem.model.clone(axis_name=None)
            alone = dataclasses.replace(problem, model=model, axis_name=None)
        self._alone = alone
        self._init = jax.jit(functools.partial(init_state, alone))
        self._eval = jax.jit(
            functools.partial(evaluate_batch, alone),
            static_argnames="size",
            compiler_options=options,
        )
        self._add_to_average = jax.jit(add_to_average, donate_argnums=0)
        self._statistics = jax.jit(
            functools.partial(_statistics_of, alone), compiler_options=options
        )
        self._order = jax.jit(
            lambda key, epoch: jax.random.permutation(
                jax.random.fold_in(key, epoch), self._n
            )
        )

    @property
    def steps_per_epoch(self) -> int:
        return -(-self._n // self.batch_size)

    @contextlib.contextmanager
    def _calling(self, name: str, size: int, compiling: Compiling) -> Iterator[None]:
        """Around a call; the first of those alike returns when JAX has compiled."""
        first = (name, size) not in self._compiled
        if first:
            compiling(True)
        try:
            yield
        finally:
            if first:
                compiling(False)
        self._compiled.add((name, size))

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
        compiling: Compiling = _not_told,
    ) -> tuple[TrainState, Metrics]:
        """The steps of an epoch from the `first` on.

        Returns:
          The state, and (steps,) metrics fetched from the device once, at the end; what
          an arm does not have is NaN.
          Fewer steps than the epoch has left were run if `stop()` became true; a
          scanned epoch is one dispatch and does not stop on its way.
        """
        order = self._place.share(self._order(keys.order, epoch))
        state = self._place.spread(state)
        if self.scan and first == 0:
            # The sizes of the mini-batches follow from the whole epoch.
            draw = Draw(order, np.int32(0), keys.step, self._n)
            with self._calling("scan", self._n, compiling):
                state, metrics = self._scan(state, self.data, draw)
            on_steps(self.steps_per_epoch)
            state, metrics = self._place.gather((state, metrics))
            return state, _without_none(jax.device_get(metrics))
        collected = []
        for start, size in list(batch_slices(self._n, self.batch_size))[first:]:
            if stop():
                break
            draw = Draw(order, np.int32(start), keys.step, size)
            with self._calling("step", size, compiling):
                state, metrics = self._step(state, self.data, draw)
            collected.append(metrics)
            on_steps(1)
        state = self._place.gather(state)
        if not collected:
            return state, Metrics(*(np.zeros(0, np.float32) for _ in Metrics._fields))
        each = map(_without_none, jax.device_get(self._place.gather(collected)))
        return state, Metrics(*map(np.stack, zip(*each)))

    def train_and_test(
        self,
        state: TrainState,
        keys: Keys,
        epoch: int,
        first: int = 0,
        stop: Callable[[], bool] = lambda: False,
        on_steps: Callable[[int], None] = lambda steps: None,
        compiling: Compiling = _not_told,
    ) -> tuple[TrainState, Metrics, Evaluation | None]:
        """`run_epoch`, and `evaluate` where that came to the epoch's end.

        A scanned epoch on one device is tested in the same dispatch.
        """
        if self.scan and first == 0 and self._tests_in_scan:
            order = self._order(keys.order, epoch)
            draw = Draw(order, np.int32(0), keys.step, self._n)
            data = DeviceData(self.data, self.test)
            with self._calling("scan and test", self._n, compiling):
                state, fetched = self._scan_tested(state, data, (draw, keys.evaluation))
            on_steps(self.steps_per_epoch)
            metrics, parts = jax.device_get(fetched)
            return state, _without_none(metrics), self._evaluation(parts)
        state, metrics = self.run_epoch(
            state, keys, epoch, first, stop, on_steps, compiling
        )
        over = first + len(metrics.loss) == self.steps_per_epoch
        tested = self.evaluate(state, keys, compiling) if over else None
        return state, metrics, tested

    def _train_on(
        self, state: TrainState, data: Images, draw: Draw
    ) -> tuple[TrainState, Metrics]:
        sharding = self._place.batch_sharding
        return step_from_data(self.problem, state, data, draw, sharding)

    def _scan_epoch(
        self, state: TrainState, data: Images, epoch: Draw
    ) -> tuple[TrainState, Metrics]:
        """All steps of an epoch, with the state packed for an accelerator meanwhile.

        The last, partial mini-batch is padded to the others' size: a program with two
        sizes has the whole network twice. (Not under pmap, where parts would differ.)
        """
        model: Any = Accelerated(self.problem.model)
        fast = dataclasses.replace(self.problem, model=model)
        sharding = self._place.batch_sharding
        rest = epoch.size % self.batch_size
        pads = 0 < rest < epoch.size and self.problem.axis_name is None
        if pads:
            more = epoch.order[: self.batch_size - rest]
            epoch = dataclasses.replace(epoch, order=jnp.append(epoch.order, more))

        def train(state: TrainState, start: Any, size: int) -> Any:
            rows = jnp.minimum(size, self._n - start) if pads else None
            draw = dataclasses.replace(epoch, start=start, size=size, rows=rows)
            return step_from_data(fast, state, data, draw, sharding)

        n = len(epoch.order) if pads else epoch.size
        state, metrics = _over_slices(train, model.pack(state), n, self.batch_size)
        return model.unpack(state), metrics

    def _scan_and_test(
        self, state: TrainState, data: DeviceData, draws: tuple[Draw, jax.Array]
    ) -> tuple[TrainState, tuple[Metrics, Any]]:
        epoch, key = draws
        state, metrics = self._scan_epoch(state, data.train, epoch)

        def test(_: None, start: Any, size: int) -> tuple[None, Any]:
            return None, evaluate_batch(self._alone, state, data.test, start, key, size)

        _, parts = _over_slices(test, None, len(data.test.images), self._test_batch)
        return state, (metrics, parts)

    def evaluate(
        self, state: TrainState, keys: Keys, compiling: Compiling = _not_told
    ) -> Evaluation:
        """Accuracy and mean loss on the test set."""
        parts = []
        for start, size in batch_slices(len(self.test.images), self._test_batch):
            with self._calling("test", size, compiling):
                images, key = self.test, keys.evaluation
                part = self._eval(state, images, np.int32(start), key, size=size)
            parts.append(part)
        return self._evaluation(np.transpose(jax.device_get(parts)))

    def _evaluation(self, parts: Any) -> Evaluation:
        """Of correct predictions and summed losses, (parts,) each."""
        n = len(self.test.images)
        correct, loss = np.sum(np.asarray(parts, np.float64), axis=1)
        return Evaluation(100 * correct / n, loss / n)

    def add_to_average(self, state: TrainState) -> TrainState:
        """Take the weights into their mean (weight averaging)."""
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


def _statistics_of(
    problem: Problem, params: Any, zeros: Any, train: Images, draw: Draw
) -> Any:
    draw_key = jax.random.fold_in(draw.key, draw.start)
    augment_key, dropout_key = jax.random.split(draw_key)
    batch = make_batch(train, draw.indices, augment_key, problem.pipeline)
    return batch_statistics(problem, params, zeros, batch, dropout_key)


def _over_slices(
    function: Callable[[Any, Any, int], tuple[Any, Any]], carry: Any, n: int, size: int
) -> tuple[Any, Any]:
    """`function(carry, start, length)` for each mini-batch; equal lengths in a loop.

    Returns:
      The last carry, and what the function gave beside it, along a new first axis.
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


def batch_slices(n: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, length) of each mini-batch; the last, partial one is kept."""
    for start in range(0, n, size):
        yield start, min(size, n - start)
