"""One run: from a configuration to a run directory, through checkpoints."""

import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.config.run import RunConfig
from experiments.machine import hosts
from experiments.machine.progress import Progress
from experiments.machine.stopping import Stop
from experiments.runs import checkpoints, growing
from experiments.runs.provenance import provenance
from experiments.runs.run_directory import EPOCH_COLUMNS, average_last_loss
from experiments.train.step import Metrics, TrainState
from experiments.train.trainer import Evaluation, Hooks, Keys, Trainer


def run(
    config: RunConfig,
    trainer: Trainer,
    path: Path,
    *,
    progress: Progress,
    stop: Stop,
    checkpoint_minutes: float,
    prepare: Callable[[TrainState], TrainState] = lambda state: state,
    keep_weights: bool = False,
) -> None:
    """Train as `config` specifies, and write the run directory `path`.

    Resumes from the newest intact checkpoint, if there is one. Once `stop()` is true,
    saves a checkpoint and raises `Stopped`.

    Args:
      prepare: changes the fresh state of a new run: given weights, or scales to replay.
      keep_weights: also write the final weights, for `--init-from`.
    """
    hooks = Hooks(stop, progress.advance, progress.compiling)
    work = path.with_name(f".{path.name}.work")
    per_epoch = trainer.steps_per_epoch
    chance = _chance(len(trainer.test.labels), trainer.problem.classes)
    meta = provenance(config.precision)
    keys = Keys.of(config.seed)
    rows = growing.Rows(path, config)
    abstract = jax.eval_shape(trainer.init, keys)
    state = checkpoints.newest(work, abstract, progress.line, rows.resume)
    if state is None:
        state = prepare(trainer.init(keys))
    else:
        progress.line(f"{config.run_id}  resumes from step {int(state.step)}")
    rows.begin()
    progress.begin(config.run_id, config.epochs * per_epoch)
    progress.advance(int(state.step))
    saved, spent = time.monotonic(), rows.epoch_seconds
    epoch = len(rows.frame("epochs"))
    diverged = over = False
    while not over:
        epoch, before = epoch + 1, int(state.step)
        first = before - (epoch - 1) * per_epoch
        began, spent = time.perf_counter() - spent, 0.0
        state, metrics = trainer.run_epoch(state, keys, epoch, first, hooks)
        steps = _step_rows(metrics, before, epoch)
        rows.add("steps", steps)
        if first + len(metrics.loss) < per_epoch:
            _save(work, state, rows, time.perf_counter() - began)
            raise stop.stopped()
        state, tested = _averaged(config, trainer, keys, state, epoch)
        evaluation = trainer.evaluate(tested, keys, hooks)
        seconds = time.perf_counter() - began
        test = pd.DataFrame([(epoch, *evaluation, seconds)], columns=EPOCH_COLUMNS)
        rows.add("epochs", test)
        progress.line(_epoch_line(config, epoch, metrics, evaluation, seconds))
        diverged = not np.isfinite(metrics.loss[-1])
        left_chance = config.until_above_chance and evaluation.accuracy > chance
        over = epoch >= config.epochs or diverged or left_chance
        if not over:
            stopping = stop()
            if stopping or time.monotonic() - saved >= 60 * checkpoint_minutes:
                _save(work, state, rows, 0.0)
                saved = time.monotonic()
            if stopping:
                raise stop.stopped()
    if hosts.is_first():
        result = _result(rows.frame("steps"), rows.frame("epochs"), chance, diverged)
        result["params_sha256"] = checkpoints.digest(tested.params)
        weights = {"params": tested.params, "batch_stats": tested.batch_stats}
        rows.finish(meta, result, jax.device_get(weights) if keep_weights else None)
        shutil.rmtree(work, ignore_errors=True)
    hosts.from_first(True)  # it has written


def _save(work: Path, state: TrainState, rows: growing.Rows, seconds: float) -> None:
    """Save a checkpoint, so many seconds after the start of an unfinished epoch."""
    if hosts.is_first():
        checkpoints.save(work, state, rows.counted() | {"epoch_seconds": seconds})


def _step_rows(metrics: Metrics, before: int, epoch: int) -> pd.DataFrame:
    """The rows of an epoch's steps, of which the first comes after `before` steps."""
    step = np.arange(before + 1, before + len(metrics.loss) + 1)
    return pd.DataFrame({"step": step, "epoch": epoch} | metrics._asdict())


def _averaged(
    config: RunConfig, trainer: Trainer, keys: Keys, state: TrainState, epoch: int
) -> tuple[TrainState, TrainState]:
    """After an epoch: the state to train on, and the one to test.

    With weight averaging, the averaged weights are tested after the last epoch.
    """
    if config.swa_start is None or epoch < config.swa_start:
        return state, state
    state = trainer.add_to_average(state)
    last = epoch == config.epochs
    return state, trainer.averaged(state, keys) if last else state


def _result(
    steps: pd.DataFrame, epochs: pd.DataFrame, chance: float, diverged: bool
) -> dict[str, Any]:
    last = steps["loss"][steps["epoch"] == len(epochs)]
    accuracy = float(epochs["test_accuracy"].iloc[-1])
    return {
        "status": "diverged" if diverged else "finished",
        "average_last_loss": average_last_loss(last.to_numpy()),
        "test_accuracy": accuracy,
        "collapsed": bool(accuracy <= chance),
        "steps": len(steps),
        "seconds": float(epochs["seconds"].sum()),
    }


def _epoch_line(
    config: RunConfig,
    epoch: int,
    metrics: Metrics,
    evaluation: Evaluation,
    seconds: float,
) -> str:
    return (
        f"{config.run_id}  epoch {epoch}/{config.epochs}  "
        f"loss {average_last_loss(metrics.loss):.4f}  "
        f"test accuracy {evaluation.accuracy:.2f}%  {seconds:.1f} s"
    )


def _chance(n: int, classes: int) -> float:
    """Guessing's accuracy on n images, in percent, plus three standard deviations."""
    p = 1 / classes
    return 100 * (p + 3 * math.sqrt(p * (1 - p) / n))
