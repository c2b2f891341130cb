"""Our side of the training benchmark: steps of experiments.train.step."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

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
from experiments.train.step import Batch, init_state, train_step
from experiments.train.trainer import Keys
from models.accelerated import Accelerated

STEPS_A_DISPATCH = 32  # on accelerators
EPOCH_STEPS = 391


def make(options: Options) -> Side:
    about = {
        "versions": versions(),
        "machine": machine(options.precision),
        "operations_a_step": operations_a_step(options.model, options.batch),
        "product_flops": product_flops(options.device, _product(options)),
    }
    train, of_program = _training(options)
    return Side(train, about | of_program, _device_peak)


def problem_of(options: Options) -> Problem:
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
    return make_problem(config, EPOCH_STEPS)


def _training(options: Options) -> tuple[Callable[[int], int], dict[str, Any]]:
    """Side's `train`, on one random batch, and figures of its program."""
    problem = problem_of(options)
    keys = Keys.of(0)
    state = jax.jit(functools.partial(init_state, problem))(keys.init)
    images = jax.random.normal(keys.order, (options.batch, 32, 32, 3))
    labels = jax.random.randint(keys.step, (options.batch,), 0, CLASSES)
    batch = Batch(images, labels)
    chunk = 1 if options.device == "cpu" else STEPS_A_DISPATCH
    step = functools.partial(train_step, problem)
    dispatch: Callable = step if chunk == 1 else many_steps(problem)
    chosen = models.compiler_options() if options.onednn else {}
    jitted = jax.jit(dispatch, donate_argnums=0, compiler_options=chosen)
    began = time.perf_counter()
    compiled = jitted.lower(state, batch, keys.step).compile()
    about: dict[str, Any] = {"compile_seconds": time.perf_counter() - began}
    held = [state]

    def train(steps: int) -> int:
        dispatches = -(-steps // chunk)
        for _ in range(dispatches):
            held[0], metrics = compiled(held[0], batch, keys.step)
        if not jnp.isfinite(metrics.loss).all():
            raise FloatingPointError("the loss is not finite")
        return dispatches * chunk

    if jax.default_backend() != "cpu":
        kinds = hlo.by_kind(compiled.as_text() or "")
        about["bytes_a_step"] = sum(kind.bytes for kind in kinds.values())
        about["bytes_a_second"] = _bytes_a_second()
    return train, about


def many_steps(problem: Problem) -> Callable:
    """A dispatch on an accelerator: steps in a scan, with the state packed."""
    model: Any = Accelerated(problem.model)
    fast = dataclasses.replace(problem, model=model)

    def dispatch(state, batch, key):
        state, metrics = jax.lax.scan(
            lambda state, _: train_step(fast, state, batch, key),
            model.pack(state),
            length=STEPS_A_DISPATCH,
        )
        return model.unpack(state), metrics

    return dispatch


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
