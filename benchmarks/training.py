"""`training`: seconds a step, ours and PyTorch's, same network, same arithmetic."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from experiments.errors import UserError

# glibc keeps what is freed: both sides get it (docs/performance.md).
_TUNABLES = {"mmap_max": 0, "trim_threshold": 2**60, "arena_max": 1}
ALLOCATOR = {
    "GLIBC_TUNABLES": ":".join(f"glibc.malloc.{k}={v}" for k, v in _TUNABLES.items())
}
STEPS_AN_EPOCH = 391


@dataclasses.dataclass(frozen=True)
class Config:
    """Time LM-SGD training steps in two processes that take turns, block by block."""

    models: tuple[str, ...] = ("simple_cnn", "nn2", "vgg16", "preresnet110")
    """Networks, see models/."""
    batch: int = 128
    """Images a step."""
    blocks: int = 7
    """Pairs of timed blocks; a median is taken over their ratios."""
    seconds: float = 3.0
    """About how long a block is."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of both sides."""
    torch_python: Path = Path(sys.executable)
    """An interpreter that has torch; JAX is this one's."""
    jax_python: Path = Path(sys.executable)
    """An interpreter that has JAX; by default this one."""
    keep_memory: bool = True
    """Tell glibc to keep freed memory, on both sides."""
    out: Path | None = None
    """A JSON file for the figures."""


def run(config: Config) -> None:
    torch = _has_torch(config.torch_python)
    if not torch:
        print(
            "torch is not installed: ours alone is measured. To compare, "
            "pip install '.[parity]' or name another interpreter by --torch-python."
        )
    rows = []
    for model in config.models:
        rows.append(_measure(config, model, torch))
        print(_line(rows[-1]), flush=True)
    if config.out is not None:
        settings = dataclasses.asdict(config)
        settings = {key: str(value) for key, value in settings.items() if key != "out"}
        settings["torch_python"] = settings["jax_python"] = "…"
        config.out.parent.mkdir(parents=True, exist_ok=True)
        config.out.write_text(
            json.dumps({"settings": settings, "rows": rows}, indent=2) + "\n"
        )


class _Worker:
    def __init__(self, python: Path, framework: str, model: str, config: Config):
        environment = os.environ | (ALLOCATOR if config.keep_memory else {})
        command = [str(python), "-m", "benchmarks.training_worker", framework, model]
        command += ["--batch", str(config.batch), "--precision", config.precision]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Path(__file__).resolve().parent.parent,
        )
        self.about = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise UserError("a worker ended early; its error stands above")
        return json.loads(line)

    def train(self, steps: int) -> dict[str, float]:
        assert self._process.stdin is not None
        print(steps, file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        self._process.communicate()


def _measure(config: Config, model: str, torch: bool) -> dict[str, Any]:
    import numpy as np

    sides = {"jax": _Worker(config.jax_python, "jax", model, config)}
    if torch:
        sides["torch"] = _Worker(config.torch_python, "torch", model, config)
    steps = {
        name: max(1, round(config.seconds / worker.train(1)["seconds"]))
        for name, worker in sides.items()
    }
    blocks: dict[str, list[float]] = {name: [] for name in sides}
    peak = {}
    for block in range(config.blocks):
        order = list(sides)[:: -1 if block % 2 else 1]
        for name in order:
            answer = sides[name].train(steps[name])
            blocks[name].append(answer["seconds"] / steps[name])
            peak[name] = answer["peak_mib"]
    row: dict[str, Any] = {"model": model, "batch": config.batch}
    for name, worker in sides.items():
        second = float(np.median(blocks[name]))
        row[name] = {
            "seconds_a_step": second,
            "images_a_second": config.batch / second,
            "seconds_an_epoch": second * STEPS_AN_EPOCH,
            "peak_mib": peak[name],
            **worker.about,
        }
        worker.close()
    if torch:
        ratios = np.array(blocks["torch"]) / np.array(blocks["jax"])
        row["speed_ratio"] = float(np.median(ratios))
        row["speed_ratio_range"] = [float(ratios.min()), float(ratios.max())]
    return row


def _line(row: dict[str, Any]) -> str:
    ours = row["jax"]
    text = (
        f"{row['model']:13} jax {ours['seconds_a_step']:.3f} s/step, compiled in "
        f"{ours['compile_seconds']:.0f} s, {ours['peak_mib']:.0f} MiB"
    )
    if "torch" in row:
        low, high = row["speed_ratio_range"]
        text += (
            f"   torch {row['torch']['seconds_a_step']:.3f} s/step, "
            f"{row['torch']['peak_mib']:.0f} MiB   "
            f"{row['speed_ratio']:.2f}× PyTorch ({low:.2f} to {high:.2f})"
        )
    return text


def _has_torch(python: Path) -> bool:
    code = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('torch'))"
    return subprocess.run([python, "-c", code]).returncode == 0
