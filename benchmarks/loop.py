"""`loop`: what the training loop adds to the bare step."""

import dataclasses
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.protocol import CLASSES, lm_sgd

# What stands beside the bare step, each with all that the one before it has.
SIDES = {
    "bare": "the step on one fixed batch, nothing else",
    "data": "the step that gathers, augments and normalises its batch",
    "loop": "the trainer: data, progress bar, stop signal, metrics kept and fetched",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Time the trainer against its own step on a fixed batch, in turns."""

    models: tuple[str, ...] = ("simple_cnn", "nn2")
    """Networks, see models/."""
    batch: int = 128
    """Images a step."""
    seconds: float = 4.0
    """About how long a block is; never more than an epoch's steps."""
    blocks: int = 15
    """Blocks of each side; a median is taken over the ratios within a round."""
    keep_memory: bool = True
    """Tell glibc to keep freed memory."""
    out: Path | None = None
    """A JSON file for the figures."""


def run(config: Config) -> None:
    from experiments import allocator

    if config.keep_memory:
        allocator.keep_memory()
    rows = []
    for model in config.models:
        rows.append(_measure(config, model))
        print(_line(rows[-1]), flush=True)
    report.write(config.out, config, rows, sides=SIDES, **report.where())


def _measure(config: Config, model: str) -> dict[str, Any]:
    import numpy as np
    from rich.console import Console

    from experiments import progress

    with (
        open(os.devnull, "w") as nowhere,
        progress.bar(Console(file=nowhere, force_terminal=True)) as shown,
    ):
        steps, sides = _sides(config, model, shown)
        for side in sides.values():  # compiled, and warm
            side()
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for block in range(config.blocks):
            for name in list(sides)[:: -1 if block % 2 else 1]:
                began = time.perf_counter()
                sides[name]()
                seconds[name].append((time.perf_counter() - began) / steps)
    row: dict[str, Any] = {"model": model, "steps": steps}
    bare = np.array(seconds["bare"])
    for name in sides:
        row[name] = {"seconds_a_step": float(np.median(seconds[name]))}
        if name != "bare":
            added = 100 * (np.array(seconds[name]) / bare - 1)
            row[name]["added_percent"] = report.spread(added.tolist())
    return row


def _sides(
    config: Config, model: str, shown: Any
) -> tuple[int, dict[str, Callable[[], None]]]:
    """How many steps a block has, and a function for each side that runs them."""
    import jax
    import numpy as np

    from experiments import data, training
    from experiments.runner import Record
    from experiments.stopping import Stop
    from experiments.trainer import DeviceData, Evaluation, Keys, Trainer

    run_config = lm_sgd(model, batch_size=config.batch)
    dataset = data.load("cifar10")
    most = len(dataset.train_images) // config.batch
    problem = training.make_problem(run_config, CLASSES, most)
    keys = Keys.of(0)
    whole = DeviceData.put(dataset).train
    order = jax.random.permutation(keys.order, len(whole.images))
    fixed = jax.jit(training.make_batch, static_argnames="pipeline")(
        whole, order[: config.batch], keys.order, pipeline=problem.pipeline
    )
    fresh = jax.jit(functools.partial(training.init_state, problem))
    bare_step = jax.jit(
        functools.partial(training.train_step, problem), donate_argnums=0
    )
    data_step = jax.jit(
        functools.partial(training.step_from_data, problem),
        donate_argnums=0,
        static_argnames="size",
    )
    states = {name: fresh(keys.init) for name in SIDES}

    def bare(steps: int) -> None:
        state = states["bare"]
        for _ in range(steps):
            state, _ = bare_step(state, fixed, keys.step)
        states["bare"] = jax.block_until_ready(state)

    def from_data(steps: int) -> None:
        state = states["data"]
        for i in range(steps):
            start = np.int32(i * config.batch)
            state, _ = data_step(
                state, whole, order, start, keys.step, size=config.batch
            )
        states["data"] = jax.block_until_ready(state)

    bare(1)
    began = time.perf_counter()
    bare(2)
    a_step = (time.perf_counter() - began) / 2
    steps = min(max(round(config.seconds / a_step), 1), most)
    part = dataclasses.replace(
        dataset,
        train_images=dataset.train_images[: steps * config.batch],
        train_labels=dataset.train_labels[: steps * config.batch],
    )
    trainer = Trainer(problem, DeviceData.put(part), config.batch)
    record, stop = Record(), Stop()
    shown.begin(run_config.run_id, steps * (config.blocks + 1))

    def loop() -> None:
        epoch = record.epochs + 1
        state, metrics = trainer.run_epoch(
            states["loop"], keys, epoch, 0, stop, shown.advance
        )
        record.add_steps(metrics)
        record.add_epoch(Evaluation(0.0, 0.0), 0.0)
        shown.line(f"epoch {epoch}  loss {metrics.loss.mean():.4f}")
        states["loop"] = jax.block_until_ready(state)

    return steps, {
        "bare": functools.partial(bare, steps),
        "data": functools.partial(from_data, steps),
        "loop": loop,
    }


def _line(row: dict[str, Any]) -> str:
    text = f"{row['model']:13} bare {row['bare']['seconds_a_step']:.4f} s/step"
    for name in ("data", "loop"):
        added = row[name]["added_percent"]
        low, high = added["quartiles"]
        text += f"   {name} {added['median']:+.1f} % ({low:+.1f} to {high:+.1f})"
    return text
