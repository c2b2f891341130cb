"""`training`: seconds a step, ours and PyTorch's, same network, same arithmetic."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.side import Device, Options, Precision
from experiments.errors import UserError

# glibc keeps what is freed, in huge pages: both sides get it (docs/performance.md).
_TUNABLES = {"mmap_max": 0, "trim_threshold": 2**60, "arena_max": 1, "hugetlb": 1}
ALLOCATOR = {
    "GLIBC_TUNABLES": ":".join(f"glibc.malloc.{k}={v}" for k, v in _TUNABLES.items())
}
STEPS_AN_EPOCH = 391
WARM_BLOCKS = 6
NO_TORCH = (
    "torch is not installed: ours alone is measured. To compare, pip install "
    "'.[parity]' or name another interpreter by --torch-python."
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Time LM-SGD training steps in two processes that take turns, block by block."""

    models: tuple[str, ...] = ("simple_cnn", "nn2", "vgg16", "preresnet110")
    """Networks, see models/."""
    batch: int = 128
    """Images a step."""
    blocks: int = 3
    """Pairs of timed blocks of two processes."""
    processes: int = 3
    """Pairs of processes, one after the other; a median is taken over the ratios of all
    their blocks. One process can be a fifth slower than the next for all its life."""
    seconds: float = 3.0
    """About how long a block is."""
    precision: Precision = "float32"
    """Of both sides; tensorfloat32 is for GPUs."""
    device: Device = "cpu"
    """Of both sides."""
    torch_compile: bool = False
    """Compile PyTorch's side."""
    author_loop: bool = False
    """Time whole loops: PyTorch's as the original script has it, with a DataLoader and
    the loss read at every step, against our trainer. Random images on both sides."""
    torch_python: Path = Path(sys.executable)
    """An interpreter that has torch; JAX is this one's."""
    jax_python: Path = Path(sys.executable)
    """An interpreter that has JAX; by default this one."""
    keep_memory: bool = True
    """Tell glibc to keep freed memory, on both sides."""
    onednn: bool = True
    """Compile ours for oneDNN where this JAX has it, as the experiments' --onednn."""
    out: Path | None = None
    """A JSON file for the figures."""


def run(config: Config) -> None:
    torch = has_torch(config.torch_python)
    if not torch:
        print(NO_TORCH)
    rows = []
    for model in config.models:
        rows.append(measure(config, model, torch))
        print(line(rows[-1]), flush=True)
    report.write(config.out, config, rows)


class _Worker:
    def __init__(self, python: Path, framework: str, model: str, config: Config):
        environment = os.environ | (ALLOCATOR if config.keep_memory else {})
        environment |= {"JAX_PLATFORMS": config.device}
        options = Options(
            model=model,
            batch=config.batch,
            precision=config.precision,
            device=config.device,
            compiled=config.torch_compile and framework == "torch",
            author_loop=config.author_loop,
            onednn=config.onednn and framework == "jax",
        )
        command = [str(python), "-m", "benchmarks.training_worker", framework]
        command.append(json.dumps(dataclasses.asdict(options)))
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

    def train(self, steps: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(steps, file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        self._process.communicate()


def measure(config: Config, model: str, torch: bool) -> dict[str, Any]:
    """One network's row: our side and, where there is `torch`, PyTorch's, in turns."""
    import numpy as np

    pythons = {"jax": config.jax_python}
    if torch:
        pythons["torch"] = config.torch_python
    blocks: dict[str, list[float]] = {name: [] for name in pythons}
    abouts: dict[str, list[dict[str, Any]]] = {name: [] for name in pythons}
    for _ in range(config.processes):
        sides = {n: _Worker(python, n, model, config) for n, python in pythons.items()}
        for name, last in _take_turns(sides, config, blocks).items():
            abouts[name].append(sides[name].about | last)
            sides[name].close()
    row: dict[str, Any] = {"model": model, "batch": config.batch}
    operations = abouts["jax"][0]["operations_a_step"]
    for name, of_processes in abouts.items():
        second = float(np.median(blocks[name]))
        about = of_processes[0] | {
            key: float(np.median([one[key] for one in of_processes]))
            for key in ("compile_seconds", "product_flops", "peak_mib")
            if key in of_processes[0]
        }
        row[name] = {
            "seconds_a_step": second,
            "images_a_second": config.batch / second,
            "seconds_an_epoch": second * STEPS_AN_EPOCH,
            "share_of_product_rate": operations / second / about["product_flops"],
            **about,
        }
    if torch:
        ratios = np.array(blocks["torch"]) / np.array(blocks["jax"])
        row["speed_ratios"] = ratios.tolist()
        row["speed_ratio"] = float(np.median(ratios))
        row["speed_ratio_range"] = [float(ratios.min()), float(ratios.max())]
    return row


def _take_turns(
    sides: dict[str, _Worker], config: Config, blocks: dict[str, list[float]]
) -> dict[str, dict[str, Any]]:
    """Adds the seconds a step of each side's blocks; what each last said of memory."""
    steps = dict.fromkeys(sides, 1)
    for name, worker in sides.items():
        for _ in range(WARM_BLOCKS):  # new memory is slow
            answer = worker.train(steps[name])
            second = answer["seconds"] / answer["steps"]
            steps[name] = max(1, round(config.seconds / second))
    last = {}
    for block in range(config.blocks):
        for name in list(sides)[:: -1 if block % 2 else 1]:
            answer = sides[name].train(steps[name])
            blocks[name].append(answer["seconds"] / answer["steps"])
            last[name] = {k: answer[k] for k in ("peak_mib", "device_peak_mib")}
    return last


def line(row: dict[str, Any]) -> str:
    """A row in words."""
    ours = row["jax"]
    text = (
        f"{row['model']:13} {row['batch']:3} jax {_figures(ours)}, compiled in "
        f"{ours['compile_seconds']:.0f} s"
    )
    if "torch" in row:
        low, high = row["speed_ratio_range"]
        text += (
            f"   torch {_figures(row['torch'])}   "
            f"{row['speed_ratio']:.2f}× PyTorch ({low:.2f} to {high:.2f})"
        )
    return text


def _figures(side: dict[str, Any]) -> str:
    return (
        f"{side['seconds_a_step']:.3f} s/step, "
        f"{100 * side['share_of_product_rate']:.0f} % of "
        f"{side['product_flops'] / 1e9:.0f} GFLOP/s, {side['peak_mib']:.0f} MiB"
    )


def has_torch(python: Path) -> bool:
    """Whether an interpreter can import torch."""
    code = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('torch'))"
    return subprocess.run([python, "-c", code]).returncode == 0
