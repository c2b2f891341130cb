"""One run: from a configuration to a run directory, through checkpoints."""

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Sequence
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
from experiments.runs.record import Record
from experiments.runs.run_directory import average_last_loss, write_run
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
    followers: Sequence[growing.Follower] = (),
) -> None:
    """Train as `config` specifies, and write the run directory `path`.

    Resumes from the newest intact checkpoint, if there is one. Once `stop()` is true,
    saves a checkpoint and raises `Stopped`.

    Args:
      prepare: changes the fresh state of a new run: given weights, or scales to replay.
      keep_weights: also write the final weights, for `--init-from`.
      followers: receive the rows, epoch by epoch.
    """
    hooks = Hooks(stop, progress.advance, progress.compiling)
    saver = Saver(path.with_name(f".{path.name}.work"), checkpoint_minutes)
    per_epoch = trainer.steps_per_epoch
    chance = _chance(len(trainer.test.labels), trainer.problem.classes)
    with (
        growing.growing(path, config, progress.line, followers) as told,
        stop.taking(jax.errors.JaxRuntimeError),
    ):
        meta = provenance(config.precision)
        keys = Keys.of(config.seed)
        state, record = _resumed(config, trainer, keys, saver.work, progress.line) or (
            prepare(trainer.init(keys)),
            Record(),
        )
        for follower in told:
            follower.begin(*record.frames(per_epoch))
        progress.begin(config.run_id, config.epochs * per_epoch)
        progress.advance(int(state.step))
        diverged = over = False
        while not over:
            epoch, before = record.epochs + 1, int(state.step)
            first = before - record.epochs * per_epoch
            began = time.perf_counter() - record.epoch_seconds
            state, metrics = trainer.run_epoch(state, keys, epoch, first, hooks)
            record.add_steps(metrics)
            if first + len(metrics.loss) < per_epoch:
                saver.save(state, record.columns(time.perf_counter() - began))
                raise stop.stopped()
            state, tested = _averaged(config, trainer, keys, state, epoch)
            evaluation = trainer.evaluate(tested, keys, hooks)
            seconds = time.perf_counter() - began
            record.add_epoch(evaluation, seconds)
            for follower in told:
                follower.add(*record.frames(per_epoch, before, record.epochs - 1))
            progress.line(_epoch_line(config, epoch, metrics, evaluation, seconds))
            diverged = not np.isfinite(metrics.loss[-1])
            left_chance = config.until_above_chance and evaluation.accuracy > chance
            over = epoch >= config.epochs or diverged or left_chance
            if not over:
                stopping = stop()
                if stopping or saver.due():
                    saver.save(state, record.columns(0.0))
                if stopping:
                    raise stop.stopped()
        if hosts.is_first():
            steps, epochs = record.frames(per_epoch)
            result = _result(steps, epochs, chance, diverged)
            result["params_sha256"] = checkpoints.digest(tested.params)
            weights = {"params": tested.params, "batch_stats": tested.batch_stats}
            kept = jax.device_get(weights) if keep_weights else None
            growing.delete(growing.directory(path))
            write_run(path, config, meta, result, steps, epochs, kept)
            shutil.rmtree(saver.work, ignore_errors=True)
        hosts.from_first(True)  # it has written


@dataclasses.dataclass
class Saver:
    """Saves a checkpoint when `minutes` have passed since the last one."""

    work: Path
    minutes: float
    _last: float = dataclasses.field(default_factory=time.monotonic)

    def due(self) -> bool:
        return time.monotonic() - self._last >= 60 * self.minutes

    def save(self, state: TrainState, columns: checkpoints.Columns) -> None:
        if hosts.is_first():
            checkpoints.save(self.work, state, columns)
        self._last = time.monotonic()


def _resumed(
    config: RunConfig,
    trainer: Trainer,
    keys: Keys,
    work: Path,
    say: Callable[[str], None],
) -> tuple[TrainState, Record] | None:
    """Where the newest checkpoint was saved, if there is one."""
    found = checkpoints.newest(work, jax.eval_shape(trainer.init, keys), say)
    if found is None:
        return None
    state, columns = found
    say(f"{config.run_id}  resumes from step {int(state.step)}")
    return state, Record(columns)


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
