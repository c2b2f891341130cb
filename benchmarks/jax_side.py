"""Our side of the training benchmark: steps of experiments.train.step."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import models
from benchmarks import hlo
from benchmarks.operations import operations_a_step
from benchmarks.side import (
    CLASSES,
    LEARNING_RATE,
    MOMENTUM,
    Options,
    Side,
    product_flops,
)
from experiments.config.precision import MEANINGS
from experiments.config.run import RunConfig
from experiments.runs.provenance import machine, versions
from experiments.train.problem import Problem, make_problem
from experiments.train.step import (
    Batch,
    Images,
    Metrics,
    TrainState,
    init_state,
    train_step,
)
from experiments.train.trainer import DeviceData, Keys, Trainer
from models.accelerated import Accelerated

STEPS_A_DISPATCH = 32  # on accelerators


def make(options: Options) -> Side:
    about = {
        "versions": versions(),
        "machine": machine(options.precision),
        "operations_a_step": operations_a_step(options.model, options.batch),
        "product_flops": product_flops(options.device, _product(options)),
    }
    program = _with_data(options) if options.author_loop else _alone(options)
    about["compile_seconds"] = program.compile_seconds
    if program.bytes_a_step is not None:
        about["bytes_a_step"] = program.bytes_a_step
        about["bytes_a_second"] = _bytes_a_second()
    return Side(program.train, about, _device_peak)


class Program(NamedTuple):
    train: Callable[[int], int]  # as Side's
    compile_seconds: float
    bytes_a_step: int | None = None  # that its kernels move, on an accelerator


def problem_of(options: Options) -> Problem:
    """What both forms of our side train."""
    config = RunConfig(
        dataset="cifar10",
        model=options.model,
        optimizer="sgd",
        arm="lm",
        seed=0,
        epochs=1,
        learning_rate=LEARNING_RATE,
        momentum=MOMENTUM,
        precision=options.precision,
    )
    return make_problem(config, options.epoch_steps)


def _alone(options: Options) -> Program:
    """The step of each run on a random batch; many per dispatch on accelerators."""
    problem = problem_of(options)
    keys = Keys.of(0)
    chunk = 1 if options.device == "cpu" else STEPS_A_DISPATCH
    init = jax.jit(lambda key: init_state(problem, key))
    states, batches = [], []
    for run in range(options.runs):
        of_run = Keys.of(run)
        states.append(init(of_run.init))
        images = jax.random.normal(of_run.order, (options.batch, 32, 32, 3))
        labels = jax.random.randint(of_run.step, (options.batch,), 0, CLASSES)
        batches.append(Batch(images, labels))
    model: Any = Accelerated(problem.model)
    fast = problem if chunk == 1 else dataclasses.replace(problem, model=model)
    step = functools.partial(train_step, fast)
    pack, unpack = model.pack, model.unpack
    if options.vmap:
        step = jax.vmap(step, in_axes=(0, 0, None))
        pack, unpack = jax.vmap(pack), jax.vmap(unpack)
        states, batches = [_stacked(states)], [_stacked(batches)]

    def each(
        states: list[TrainState], batches: list[Batch], key: jax.Array
    ) -> tuple[list[TrainState], list[Metrics]]:
        stepped = [step(*one, key) for one in zip(states, batches)]
        return [state for state, _ in stepped], [metrics for _, metrics in stepped]

    def dispatch(states, batches, key):
        if chunk == 1:
            return each(states, batches, key)
        packed, metrics = jax.lax.scan(
            lambda states, _: each(states, batches, key),
            [pack(state) for state in states],
            length=chunk,
        )
        return [unpack(state) for state in packed], metrics

    chosen = models.compiler_options() if options.onednn else {}
    jitted = jax.jit(dispatch, donate_argnums=0, compiler_options=chosen)
    began = time.perf_counter()
    compiled = jitted.lower(states, batches, keys.step).compile()
    compile_seconds = time.perf_counter() - began
    held = [states]

    def train(steps: int) -> int:
        dispatches = -(-steps // chunk)
        for _ in range(dispatches):
            held[0], metrics = compiled(held[0], batches, keys.step)
        if not all(jnp.isfinite(one.loss).all() for one in metrics):
            raise FloatingPointError("the loss is not finite")
        return dispatches * chunk

    moved = None
    if jax.default_backend() != "cpu" and options.runs == 1:
        kinds = hlo.by_kind(compiled.as_text() or "")
        moved = sum(kind.bytes for kind in kinds.values())
    return Program(train, compile_seconds, moved)


def _stacked(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _with_data(options: Options) -> Program:
    """The trainer's epochs over random images: data, augmentation, metrics fetched.

    Its compile time includes training the first epoch.
    """
    problem = problem_of(options)
    random = np.random.default_rng(0)
    images = options.epoch_steps * options.batch
    split = Images(
        jnp.asarray(random.integers(0, 256, (images, 32, 32, 3), np.uint8)),
        jnp.asarray(random.integers(0, CLASSES, images, np.int32)),
    )
    trainer = Trainer(
        problem, DeviceData(split, split), options.batch, onednn=options.onednn
    )
    keys = Keys.of(0)
    held = [trainer.init(keys)]

    def train(steps: int) -> int:
        epochs = -(-steps // options.epoch_steps)
        for epoch in range(epochs):
            held[0], metrics = trainer.run_epoch(held[0], keys, epoch)
        if not np.isfinite(metrics.loss).all():
            raise FloatingPointError("the loss is not finite")
        return epochs * options.epoch_steps

    began = time.perf_counter()
    train(1)
    return Program(train, time.perf_counter() - began)


def _product(options: Options) -> Callable[[int], Callable[[], None]]:
    dtype, precision = MEANINGS[options.precision]
    product = jax.jit(
        lambda a, b: jnp.matmul(
            a, b, precision=precision, preferred_element_type=jnp.float32
        )
    )

    def prepare(n: int) -> Callable[[], None]:
        a = jax.random.normal(jax.random.key(0), (n, n), jnp.dtype(dtype))
        return lambda: jax.block_until_ready(product(a, a))

    return prepare


def _bytes_a_second() -> float:
    """The best rate of a copy that changes a sign, read and write together."""
    copy = jax.jit(jnp.negative)
    x = jnp.ones(2**27 if jax.default_backend() == "gpu" else 2**20, jnp.float32)
    best = 0.0
    for _ in range(4):
        jax.block_until_ready(copy(x))
        began = time.perf_counter()
        for _ in range(5):
            y = copy(x)
        jax.block_until_ready(y)
        best = max(best, 5 * 2 * x.nbytes / (time.perf_counter() - began))
    return best


def _device_peak() -> float | None:
    statistics = jax.devices()[0].memory_stats() or {}
    peak = statistics.get("peak_bytes_in_use")
    return None if peak is None else peak / 2**20
