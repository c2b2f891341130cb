"""TensorBoard event files of finished runs."""

from collections.abc import Sequence
from pathlib import Path

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
    for run in runs:
        per_epoch = len(run.steps) / len(run.epochs)
        with SummaryWriter(str(out / run.path.name)) as writer:
            for row in run.steps.itertuples():
                for name in ("loss", "c", "scale"):
                    value = getattr(row, name)
                    if value == value:  # not NaN: the arm has it
                        writer.add_scalar(f"train/{name}", value, row.step)
            for row in run.epochs.itertuples():
                step = round(row.epoch * per_epoch)
                writer.add_scalar("test/accuracy", row.test_accuracy, step)
                writer.add_scalar("test/loss", row.test_loss, step)
