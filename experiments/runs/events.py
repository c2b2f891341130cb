"""TensorBoard event files of runs, finished or in progress."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError
from experiments.runs.run_directory import Run

if TYPE_CHECKING:
    import pandas as pd


class Events:
    """A follower of one run that writes its rows to event files in `place`.

    Files of earlier calls are deleted, because TensorBoard would overlay them.

    Args:
      failed: called if a file cannot be written; no more files are written then.

    Raises:
      UserError: tensorboardX is not installed.
    """

    def __init__(self, place: Path, failed: Callable[[OSError], None]):
        self._make = writer_class()
        self._place, self._failed = place, failed
        self._writer: Any = None

    def begin(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        def write() -> None:
            old = set(self._place.glob("events.out.tfevents.*"))
            self._writer = self._make(str(self._place))
            _add(self._writer, steps, epochs)
            if set(self._place.glob("events.out.tfevents.*")) > old:
                for path in old:
                    path.unlink()

        self._or_not(write)

    def add(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        if self._writer is not None:
            self._or_not(lambda: _add(self._writer, steps, epochs))

    def end(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            self._or_not(writer.close)

    def _or_not(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._writer = None
            self._failed(error)


def writer_class() -> Any:
    """tensorboardX's SummaryWriter.

    Raises:
      UserError: it is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UserError(
            "--tensorboard needs tensorboardX: pip install tensorboardX"
        ) from error
    return SummaryWriter


def write_events(runs: Sequence[Run], out: Path) -> None:
    """Write OUT/RUN for each run: loss, c, scale per step, the tests per epoch."""

    def failed(error: OSError) -> None:
        raise UserError(f"cannot write event files to {out}: {error}") from error

    for run in runs:
        events = Events(out / run.path.name, failed)
        events.begin(run.steps, run.epochs)
        events.end()


def _add(writer: Any, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
    for row in steps.itertuples():
        for name in ("loss", "c", "scale"):
            value = getattr(row, name)
            if value == value:  # not NaN, so the arm has it
                writer.add_scalar(f"train/{name}", value, row.step)
    last = steps.groupby("epoch")["step"].max()
    for row in epochs.itertuples():
        step = int(last[row.epoch])
        writer.add_scalar("test/accuracy", row.test_accuracy, step)
        writer.add_scalar("test/loss", row.test_loss, step)
    writer.flush()
