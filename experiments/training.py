"""The training step, the evaluation, and the ways to run an epoch of them.

`train_step` is one pure function; the rest wraps it. An epoch runs as one jitted step
per call on a CPU, where XLA compiles convolutions inside a loop badly (jax issue
12868), and as one `lax.scan` per epoch on an accelerator.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import landmod_jax
import models
from experiments.augment import Pipeline, augment, normalise, pipeline_for
from experiments.config import RunConfig
from experiments.data import Dataset
from experiments.errors import UserError

EVAL_BATCH = 500


class TrainState(NamedTuple):
    """All that a run carries from step to step, as arrays."""

    step: jax.Array  # int32 scalar
    params: Any
    batch_stats: Any  # running statistics; empty for networks without batch norm
    opt_state: optax.OptState


class Batch(NamedTuple):
    images: jax.Array  # (b, h, w, 3), normalised
    labels: jax.Array  # (b,) int32


class Metrics(NamedTuple):
    """Per step: float32 scalars, or (steps,) for an epoch."""

    loss: Any
    c: Any  # NaN for an arm without a landscape
    scale: Any


class Evaluation(NamedTuple):
    accuracy: float  # per cent
    loss: float  # mean over the test set


class Images(NamedTuple):
    """A whole split on the device: (n, h, w, 3) uint8 and (n,) int32."""

    images: jax.Array
    labels: jax.Array


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


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is trained: the network, the optimizer with or without LM, the pipeline."""

    model: nn.Module
    tx: optax.GradientTransformationExtraArgs
    pipeline: Pipeline
    classes: int
    modified: bool  # whether tx has a landscape, and so c and scale
    eval_mode: str = "eval"


def make_optimizer(config: RunConfig) -> optax.GradientTransformationExtraArgs:
    """The optimizer of a run's arm, with PyTorch's semantics.

    Raises:
      UserError: f, eps or c is not what landmod_jax takes.
    """
    landscape = None
    if config.arm == "lm":
        threshold = (
            landmod_jax.running_min()
            if config.c is None
            else landmod_jax.constant(config.c)
        )
        try:
            landscape = landmod_jax.landscape_modify(
                config.f, config.eps, threshold=threshold
            )
        except ValueError as error:
            raise UserError(str(error)) from error
    make = getattr(landmod_jax, config.optimizer)
    options: dict[str, Any] = {"weight_decay": config.weight_decay}
    if config.momentum:
        options["momentum"] = config.momentum
    return make(config.learning_rate, landscape=landscape, **options)


def make_problem(config: RunConfig, classes: int) -> Problem:
    model = models.create(
        config.model, num_classes=classes, dtype=jnp.dtype(config.precision)
    )
    return Problem(
        model=model,
        tx=make_optimizer(config),
        pipeline=pipeline_for(config.dataset, config.model),
        classes=classes,
        modified=config.arm == "lm",
        eval_mode=config.eval_mode,
    )


def init_state(problem: Problem, key: jax.Array) -> TrainState:
    """Fresh weights and optimizer state for 32×32 colour images."""
    images = jnp.zeros((1, 32, 32, 3), jnp.float32)
    variables = problem.model.init(key, images, train=False)
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        opt_state=problem.tx.init(params),
    )


def train_step(
    problem: Problem, state: TrainState, batch: Batch, key: jax.Array
) -> tuple[TrainState, Metrics]:
    """One step of the optimizer on the mean cross-entropy of a mini-batch."""

    def loss_fn(params: Any) -> tuple[jax.Array, Any]:
        logits, updated = problem.model.apply(
            {"params": params, "batch_stats": state.batch_stats},
            batch.images,
            train=True,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels)
        return losses.mean(), updated.get("batch_stats", {})

    (loss, batch_stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    updates, opt_state = problem.tx.update(
        grads, state.opt_state, state.params, value=loss
    )
    params = optax.apply_updates(state.params, updates)
    c = scale = jnp.float32(jnp.nan)
    if problem.modified:
        landscape = landmod_jax.current(opt_state)
        c, scale = landscape.c, landscape.scale
    return (
        TrainState(state.step + 1, params, batch_stats, opt_state),
        Metrics(loss, c, scale),
    )


def make_batch(
    data: Images, indices: jax.Array, key: jax.Array, pipeline: Pipeline
) -> Batch:
    """Gather, augment and normalise the images at `indices` (b,)."""
    images = augment(jnp.take(data.images, indices, axis=0), key, pipeline)
    return Batch(normalise(images, pipeline), jnp.take(data.labels, indices, axis=0))


def step_from_data(
    problem: Problem,
    state: TrainState,
    data: Images,
    order: jax.Array,
    start: jax.Array,
    key: jax.Array,
    size: int,
) -> tuple[TrainState, Metrics]:
    """Train on the `size` images from position `start` of the epoch's order."""
    augment_key, dropout_key = jax.random.split(jax.random.fold_in(key, state.step))
    indices = jax.lax.dynamic_slice(order, (start,), (size,))
    batch = make_batch(data, indices, augment_key, problem.pipeline)
    return train_step(problem, state, batch, dropout_key)


def batch_slices(n: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, length) of each mini-batch; the last, partial one is kept."""
    for start in range(0, n, size):
        yield start, min(size, n - start)


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


def evaluate_batch(
    problem: Problem,
    state: TrainState,
    test: Images,
    start: jax.Array,
    key: jax.Array,
    size: int,
) -> tuple[jax.Array, jax.Array]:
    """The number of correct predictions and the summed loss of `size` test images.

    With eval_mode "train" the network is left in training mode, as in the published
    script: batch norm takes the test batch's statistics and dropout stays on.
    """
    images = jax.lax.dynamic_slice_in_dim(test.images, start, size)
    labels = jax.lax.dynamic_slice_in_dim(test.labels, start, size)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    images = normalise(images, problem.pipeline)
    if problem.eval_mode == "eval":
        logits: Any = problem.model.apply(variables, images, train=False)
    else:
        key = jax.random.fold_in(jax.random.fold_in(key, state.step), start)
        logits, _ = problem.model.apply(
            variables,
            images,
            train=True,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return (logits.argmax(axis=-1) == labels).sum(), losses.sum()
