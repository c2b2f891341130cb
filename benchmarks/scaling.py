"""`scaling`: how cost grows with epochs and with the batch."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from benchmarks import report, training


@dataclasses.dataclass(frozen=True)
class Config:
    """Train for twice the epochs, or with several batches; time and memory of each."""

    over: Annotated[Literal["epochs", "batches"], tyro.conf.Positional]
    """What grows."""
    models: tuple[str, ...] = ("nn2",)
    """Networks, see models/."""
    epochs: tuple[int, ...] = (3, 6)
    """Epochs of each run, beside a first one that is left out: it compiles."""
    steps: int = 8
    """Steps of such an epoch."""
    rounds: int = 2
    """Times that the runs are repeated, in turns."""
    batches: tuple[int, ...] = (32, 64, 128, 256, 512)
    """Images a step, of each measurement."""
    blocks: int = 5
    """Pairs of timed blocks for a batch; medians are taken."""
    seconds: float = 2.0
    """About how long a block is."""
    torch_python: Path = Path(sys.executable)
    """An interpreter that has torch, for the batches."""
    keep_memory: bool | None = None
    """Tell glibc to keep freed memory; by default as `training` does over batches, and
    as the experiments do, not, over epochs."""
    out: Path | None = None
    """A JSON file for the figures."""


def run(config: Config) -> None:
    rows = []
    measure = _epochs if config.over == "epochs" else _batches
    for model in config.models:
        rows += measure(config, model)
    report.write(config.out, config, rows, **report.where())


def _epochs(config: Config, model: str) -> list[dict[str, Any]]:
    """A process for each number of epochs; the runs are those of the experiments."""
    rows = []
    for epochs in config.epochs * config.rounds:
        command = [sys.executable, "-m", "benchmarks.scaling_worker"]
        command += [model, str(epochs + 1), str(config.steps)]
        command.append(str(bool(config.keep_memory)))
        root = Path(__file__).resolve().parent.parent
        output = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, cwd=root
        ).stdout
        first, *rest = json.loads(output)
        row = {
            "model": model,
            "epochs": epochs,
            "seconds": sum(epoch["seconds"] for epoch in rest),
            "first_epoch_seconds": first["seconds"],
            "seconds_an_epoch": [epoch["seconds"] for epoch in rest],
            "peak_mib": [epoch["peak_mib"] for epoch in (first, *rest)],
            "resident_mib": [epoch["resident_mib"] for epoch in (first, *rest)],
        }
        rows.append(row)
        print(
            f"{model:13} {epochs} epochs {row['seconds']:.2f} s (the first one apart: "
            f"{first['seconds']:.2f} s)   peak {first['peak_mib']:.0f} MiB after it, "
            f"{rest[-1]['peak_mib']:.0f} MiB at the end",
            flush=True,
        )
    return rows


def _batches(config: Config, model: str) -> list[dict[str, Any]]:
    torch = training.has_torch(config.torch_python)
    if not torch:
        print(training.NO_TORCH)
    rows = []
    for batch in config.batches:
        one = training.Config(
            batch=batch,
            blocks=config.blocks,
            processes=1,
            seconds=config.seconds,
            torch_python=config.torch_python,
            keep_memory=config.keep_memory is not False,
        )
        rows.append(training.measure(one, model, torch))
        print(training.line(rows[-1]), flush=True)
    return rows
