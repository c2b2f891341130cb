"""A run's measurements so far."""

import numpy as np
import pandas as pd

from experiments.runs import checkpoints
from experiments.train.step import Metrics
from experiments.train.trainer import Evaluation, joined

EPOCH_COLUMNS = ("test_accuracy", "test_loss", "seconds")


class Record:
    """A row per step and a row per epoch.

    Args:
      columns: from a checkpoint; None for a new run.
    """

    def __init__(self, columns: checkpoints.Columns | None = None):
        columns = columns or {}
        self._steps: list[Metrics] = []
        if columns:
            self._steps.append(Metrics(*(columns[name] for name in Metrics._fields)))
        epochs = [columns.get(name, np.zeros(0)) for name in EPOCH_COLUMNS]
        self._epochs: list[tuple[float, ...]] = list(zip(*epochs))
        # The part of an interrupted epoch before the interruption.
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
        self.epoch_seconds = 0.0

    @property
    def epochs(self) -> int:
        return len(self._epochs)

    def metrics(self) -> Metrics:
        return joined(self._steps)

    def frames(
        self, steps_per_epoch: int, steps: int = 0, epochs: int = 0
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows of the steps and of the epochs, without this many leading ones."""
        metrics = {name: x[steps:] for name, x in self.metrics()._asdict().items()}
        step = np.arange(steps + 1, steps + len(metrics["loss"]) + 1)
        index = {"step": step, "epoch": (step - 1) // steps_per_epoch + 1}
        tests = pd.DataFrame(self._epochs[epochs:], columns=list(EPOCH_COLUMNS))
        tests.insert(0, "epoch", np.arange(epochs + 1, epochs + len(tests) + 1))
        return pd.DataFrame(index | metrics), tests
