"""One run: from a configuration to a run directory."""

import hashlib
import math
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.config import RunConfig
from experiments.progress import Progress
from experiments.provenance import provenance
from experiments.rundir import average_last_loss, write_run
from experiments.training import Keys, Trainer


def run(config: RunConfig, trainer: Trainer, path: Path, progress: Progress) -> None:
    """Train as `config` says and write the run directory `path`."""
    meta = provenance()
    began = time.perf_counter()
    keys = Keys.of(config.seed)
    state = trainer.init(keys)
    steps, epochs = [], []
    status = "finished"
    progress.begin(config.run_id, config.epochs * trainer.steps_per_epoch)
    for epoch in range(1, config.epochs + 1):
        epoch_began = time.perf_counter()
        state, metrics = trainer.run_epoch(state, keys, epoch, progress.advance)
        evaluation = trainer.evaluate(state, keys)
        seconds = time.perf_counter() - epoch_began
        steps.append(pd.DataFrame({"epoch": epoch} | metrics._asdict()))
        epochs.append((epoch, evaluation.accuracy, evaluation.loss, seconds))
        progress.line(
            f"{config.run_id}  epoch {epoch}/{config.epochs}  "
            f"loss {average_last_loss(metrics.loss):.4f}  "
            f"test accuracy {evaluation.accuracy:.2f} %  {seconds:.1f} s"
        )
        if not np.isfinite(metrics.loss[-1]):
            status = "diverged"
            progress.line(f"{config.run_id}  diverged: the loss is {metrics.loss[-1]}")
            break
    step_rows = pd.concat(steps, ignore_index=True)
    step_rows.insert(0, "step", np.arange(1, len(step_rows) + 1))
    epoch_rows = pd.DataFrame(
        epochs, columns=["epoch", "test_accuracy", "test_loss", "seconds"]
    )
    accuracy = float(epoch_rows["test_accuracy"].iloc[-1])
    result = {
        "status": status,
        "average_last_loss": average_last_loss(
            step_rows["loss"][step_rows["epoch"] == len(epochs)].to_numpy()
        ),
        "test_accuracy": accuracy,
        "collapsed": accuracy
        <= _chance(len(trainer.test.labels), trainer.problem.classes),
        "steps": len(step_rows),
        "seconds": time.perf_counter() - began,
        "params_sha256": _digest(state.params),
    }
    write_run(path, config, meta, result, step_rows, epoch_rows)


def _chance(n: int, classes: int) -> float:
    """Guessing's accuracy on n images, in per cent, plus three standard deviations."""
    p = 1 / classes
    return 100 * (p + 3 * math.sqrt(p * (1 - p) / n))


def _digest(tree: Any) -> str:
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
