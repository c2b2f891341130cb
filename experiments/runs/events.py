"""TensorBoard event files of runs, finished or in progress."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError
from experiments.runs.run_directory import Run

if TYPE_CHECKING:
    import pandas as pd


class Events:
    """Writes the rows of one run to an event file in `place`.

    Files of earlier calls are deleted, because TensorBoard would overlay them.

    Raises:
      UserError: tensorboardX is not installed, or the file cannot be written.
    """

    def __init__(self, place: Path):
        self._place, self._writer = place, _writer_class()
        self._file: Any = None

    def add(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        """Loss, c and scale per step, and the tests per epoch."""
        try:
            if self._file is None:
                for path in self._place.glob("events.out.tfevents.*"):
                    path.unlink()
                self._file = self._writer(str(self._place))
            for row in steps.itertuples():
                for name in ("loss", "c", "scale"):
                    value = getattr(row, name)
                    if value == value:  # not NaN, so the arm has it
                        self._file.add_scalar(f"train/{name}", value, row.step)
            last = steps.groupby("epoch")["step"].max()
            for row in epochs.itertuples():
                step = int(last[row.epoch])
                self._file.add_scalar("test/accuracy", row.test_accuracy, step)
                self._file.add_scalar("test/loss", row.test_loss, step)
            self._file.flush()
        except OSError as error:
            raise UserError(
                f"cannot write event files to {self._place}: {error}"
            ) from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _writer_class() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UserError(
            "--tensorboard needs tensorboardX: pip install tensorboardX"
        ) from error
    return SummaryWriter


def write_events(runs: Sequence[Run], out: Path) -> None:
    """Write OUT/RUN for each run."""
    for run in runs:
        events = Events(out / run.path.name)
        events.add(run.steps, run.epochs)
        events.close()
