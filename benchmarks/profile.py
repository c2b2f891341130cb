"""`profile`: where the time of a training step goes, by kind of operation."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import report, training
from benchmarks.worker import ALLOCATOR


@dataclasses.dataclass(frozen=True)
class Config:
    """Trace a few LM-SGD steps of each network by each framework's own profiler."""

    models: tuple[str, ...] = ("simple_cnn", "nn2", "vgg16", "preresnet110")
    """Networks, see models/."""
    batch: int = 128
    """Images a step."""
    steps: int = 3
    """Steps of a trace."""
    traces: int = 4
    """Traces of each side; the fastest is kept."""
    torch_python: Path = Path(sys.executable)
    """An interpreter that has torch; JAX is this one's."""
    keep_memory: bool = True
    """Tell glibc to keep freed memory, on both sides."""
    out: Path | None = None
    """A JSON file for the figures."""


def run(config: Config) -> None:
    rows = []
    sides = {"jax": Path(sys.executable), "torch": config.torch_python}
    if not training.has_torch(config.torch_python):
        print(training.NO_TORCH)
        del sides["torch"]
    for model in config.models:
        for framework, python in sides.items():
            row = _profiled(config, python, framework, model)
            rows.append({"model": model} | row)
            parts = sorted(row["milliseconds"].items(), key=lambda part: -part[1])
            print(
                f"{model:13} {row['side']:15} {row['step_milliseconds']:.0f} ms:  "
                + "   ".join(f"{kind} {ms:.0f}" for kind, ms in parts),
                flush=True,
            )
    report.write(config.out, config, rows, **report.where())


def _profiled(config: Config, python: Path, framework: str, model: str) -> dict:
    command = [str(python), "-m", "benchmarks.profile_worker", framework, model]
    command += [str(config.batch), str(config.steps), str(config.traces)]
    environment = os.environ | (ALLOCATOR if config.keep_memory else {})
    output = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        cwd=Path(__file__).resolve().parent.parent,
    ).stdout
    return json.loads(output.splitlines()[-1])
