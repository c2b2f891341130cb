"""TensorBoard event files of finished runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.rundir import Run


def write_events(runs: Sequence[Run], out: Path) -> None:
    """Write OUT/RUN for each run: loss, c, scale per step, the tests per epoch."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UserError(
            "--tensorboard needs tensorboardX: pip install tensorboardX"
        ) from error
    try:
        for run in runs:
            place = out / run.path.name
            old = set(place.glob("events.out.tfevents.*"))
            with SummaryWriter(str(place)) as writer:
                _write(run, writer)
            # TensorBoard would draw what an earlier call has written over this.
            if set(place.glob("events.out.tfevents.*")) > old:
                for path in old:
                    path.unlink()
    except OSError as error:
        raise UserError(f"cannot write event files to {out}: {error}") from error


def _write(run: Run, writer: Any) -> None:
    per_epoch = len(run.steps) / len(run.epochs)
    for row in run.steps.itertuples():
        for name in ("loss", "c", "scale"):
            value = getattr(row, name)
            if value == value:  # not NaN: the arm has it
                writer.add_scalar(f"train/{name}", value, row.step)
    for row in run.epochs.itertuples():
        step = round(row.epoch * per_epoch)
        writer.add_scalar("test/accuracy", row.test_accuracy, step)
        writer.add_scalar("test/loss", row.test_loss, step)
