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
from experiments.runs.run_directory import average_last_loss, write_run
from experiments.train.step import Metrics, TrainState
from experiments.train.trainer import Evaluation, Keys, Trainer

EPOCH_COLUMNS = ("test_accuracy", "test_loss", "seconds")


class Record:
    """What a run has measured so far: a row per step and a row per epoch."""

    def __init__(self, columns: checkpoints.Columns | None = None):
        columns = columns or {}
        self._steps: list[Metrics] = []
        if columns:
            self._steps.append(Metrics(*(columns[name] for name in Metrics._fields)))
        epochs = [columns.get(name, np.zeros(0)) for name in EPOCH_COLUMNS]
        self._epochs: list[tuple[float, ...]] = list(zip(*epochs))
        # Of this epoch before an interruption, and of the whole run.
        self.epoch_seconds = float(columns.get("epoch_seconds", 0.0))

    def columns(self, epoch_seconds: float) -> checkpoints.Columns:
        """Everything as arrays, to go into a checkpoint."""
        epochs = np.array(self._epochs, np.float64).reshape(-1, len(EPOCH_COLUMNS))
        return (
            self.metrics()._asdict()
            | dict(zip(EPOCH_COLUMNS, epochs.T))
            | {"epoch_seconds": np.float64(epoch_seconds)}
        )

    def add_steps(self, metrics: Metrics) -> None:
        self._steps.append(metrics)

    def add_epoch(self, evaluation: Evaluation, seconds: float) -> None:
        self._epochs.append((evaluation.accuracy, evaluation.loss, seconds))

    @property
    def epochs(self) -> int:
        return len(self._epochs)

    def metrics(self) -> Metrics:
        if not self._steps:
            return Metrics(*(np.zeros(0, np.float32) for _ in Metrics._fields))
        return Metrics(*map(np.concatenate, zip(*self._steps)))

    def frames(
        self, steps_per_epoch: int, steps: int = 0, epochs: int = 0
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows of the steps and of the epochs, without so many of the first."""
        metrics = {name: x[steps:] for name, x in self.metrics()._asdict().items()}
        step = np.arange(steps + 1, steps + len(metrics["loss"]) + 1)
        index = {"step": step, "epoch": (step - 1) // steps_per_epoch + 1}
        tests = pd.DataFrame(self._epochs[epochs:], columns=list(EPOCH_COLUMNS))
        tests.insert(0, "epoch", np.arange(epochs + 1, epochs + len(tests) + 1))
        return pd.DataFrame(index | metrics), tests


@dataclasses.dataclass
class Saver:
    """Saves a checkpoint when `minutes` have passed since the last one."""

    work: Path
    minutes: float
    _last: float = dataclasses.field(default_factory=time.monotonic)

    def due(self) -> bool:
        return time.monotonic() - self._last >= 60 * self.minutes

    def save(self, state: Any, columns: checkpoints.Columns) -> None:
        if hosts.is_first():
            checkpoints.save(self.work, state, columns)
        self._last = time.monotonic()


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
    """Train as `config` says and write the run directory `path`.

    Resumes from the newest intact checkpoint where there is one. Once `stop()` is true
    a checkpoint is saved and `Stopped` raised.

    Args:
      prepare: what is done to the fresh state of a run that starts: other weights, or
        scales to replay.
      keep_weights: also write the final weights, for `--init-from`.
      followers: told of the rows, epoch by epoch.
    """
    with growing.growing(path, config, progress.line) as rows:
        told = [rows, *followers] if hosts.is_first() else []
        try:
            _run(
                config,
                trainer,
                path,
                progress=progress,
                stop=stop,
                checkpoint_minutes=checkpoint_minutes,
                prepare=prepare,
                keep_weights=keep_weights,
                followers=told,
            )
        finally:
            for follower in told:
                follower.end()


def _run(
    config: RunConfig,
    trainer: Trainer,
    path: Path,
    *,
    progress: Progress,
    stop: Stop,
    checkpoint_minutes: float,
    prepare: Callable[[TrainState], TrainState],
    keep_weights: bool,
    followers: Sequence[growing.Follower],
) -> None:
    meta = provenance(config.precision)
    keys = Keys.of(config.seed)
    saver = Saver(path.with_name(f".{path.name}.work"), checkpoint_minutes)
    abstract = jax.eval_shape(trainer.init, keys)
    found = checkpoints.newest(saver.work, abstract, progress.line)
    state, columns = found or (prepare(trainer.init(keys)), None)
    record = Record(columns)
    if found:
        progress.line(f"{config.run_id}  resumes from step {int(state.step)}")
    per_epoch = trainer.steps_per_epoch
    for follower in followers:
        follower.begin(*record.frames(per_epoch))
    progress.begin(config.run_id, config.epochs * per_epoch)
    progress.advance(int(state.step))
    chance = _chance(len(trainer.test.labels), trainer.problem.classes)
    tested = state
    diverged = over = False
    while record.epochs < config.epochs and not over:
        epoch = record.epochs + 1
        began = time.perf_counter() - record.epoch_seconds
        told, first = int(state.step), int(state.step) - record.epochs * per_epoch
        state, metrics, evaluation = trainer.train_and_test(
            state, keys, epoch, first, stop, progress.advance, progress.compiling
        )
        record.add_steps(metrics)
        if evaluation is None:
            saver.save(state, record.columns(time.perf_counter() - began))
            raise stop.stopped()
        tested = state
        if config.swa_start is not None and epoch >= config.swa_start:
            state = trainer.add_to_average(state)
            tested = state
            if epoch == config.epochs:
                tested = trainer.averaged(state, keys)
                evaluation = trainer.evaluate(tested, keys, progress.compiling)
        seconds = time.perf_counter() - began
        record.epoch_seconds = 0.0
        record.add_epoch(evaluation, seconds)
        for follower in followers:
            follower.add(*record.frames(per_epoch, told, record.epochs - 1))
        progress.line(_epoch_line(config, record.epochs, metrics, evaluation, seconds))
        diverged = not np.isfinite(metrics.loss[-1])
        left_chance = config.until_above_chance and evaluation.accuracy > chance
        over = diverged or left_chance
        if record.epochs < config.epochs and not over:
            stopping = stop()
            if stopping or saver.due():
                saver.save(state, record.columns(0.0))
            if stopping:
                raise stop.stopped()
    steps, epochs = record.frames(per_epoch)
    accuracy = float(epochs["test_accuracy"].iloc[-1])
    result = {
        "status": "diverged" if diverged else "finished",
        "average_last_loss": average_last_loss(
            steps["loss"][steps["epoch"] == record.epochs].to_numpy()
        ),
        "test_accuracy": accuracy,
        "collapsed": bool(accuracy <= chance),
        "steps": len(steps),
        "seconds": float(epochs["seconds"].sum()),
        "params_sha256": checkpoints.digest(tested.params),
    }
    if not hosts.is_first():
        hosts.from_first(True)  # it has written
        return
    weights = None
    if keep_weights:
        weights = {"params": tested.params, "batch_stats": tested.batch_stats}
        weights = jax.device_get(weights)
    growing.delete(growing.directory(path))
    write_run(path, config, meta, result, steps, epochs, weights)
    shutil.rmtree(saver.work, ignore_errors=True)
    hosts.from_first(True)


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
        f"test accuracy {evaluation.accuracy:.2f} %  {seconds:.1f} s"
    )


def _chance(n: int, classes: int) -> float:
    """Guessing's accuracy on n images, in per cent, plus three standard deviations."""
    p = 1 / classes
    return 100 * (p + 3 * math.sqrt(p * (1 - p) / n))
