"""`training`: seconds per step, ours and PyTorch's, same network, same arithmetic."""

import dataclasses
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.side import Device, Framework, Mode, Options, Precision
from benchmarks.timing import order
from benchmarks.worker import Worker

OURS = "jax"
STEPS_AN_EPOCH = 391
WARM_BLOCKS = 6  # new memory is slow
NO_TORCH = (
    "torch is not installed, so only our side is measured. To compare, pip install "
    "'.[parity]' or name another interpreter with --torch-python."
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Time LM-SGD training steps in processes that take turns, block by block."""

    models: tuple[str, ...] = ("simple_cnn", "nn2", "vgg16", "preresnet110")
    """Networks, see models/."""
    precisions: tuple[Precision, ...] = ("float32",)
    """Precisions of both sides; tensorfloat32 is for GPUs."""
    modes: tuple[Mode, ...] = ("eager",)
    """PyTorch's modes. graphs is torch.compile with CUDA graphs."""
    batch: int = 128
    """Images per step."""
    processes: int = 3
    """How often the processes are started. The result is the median of the ratios of
    all blocks, because one process may be slower than the next throughout."""
    blocks: int = 3
    """Timed blocks of each process."""
    seconds: float = 3.0
    """Approximate length of a block."""
    device: Device = "cpu"
    """Device of both sides."""
    torch_python: Path = Path(sys.executable)
    """An interpreter that has torch; JAX is this one's."""
    jax_python: Path = Path(sys.executable)
    """An interpreter that has JAX; by default this one."""
    keep_memory: bool = True
    """Tell glibc to keep freed memory, on both sides."""
    onednn: bool = True
    """Compile our side for oneDNN if this JAX has it, like --onednn of the
    experiments."""
    out: Path | None = None
    """JSON file to write the figures to, each network's as soon as it is measured."""


def run(config: Config) -> None:
    report.check(config)
    modes = config.modes if has_torch(config.torch_python) else ()
    if not modes:
        print(NO_TORCH)
    rows: list[dict[str, Any]] = []
    for precision, model in itertools.product(config.precisions, config.models):
        for row in measure(config, model, precision, modes):
            print(line(row), flush=True)
            rows.append(row)
        report.write(config.out, config, rows)


def measure(
    config: Config, model: str, precision: Precision, modes: tuple[Mode, ...]
) -> list[dict[str, Any]]:
    """A network's rows: our side against each of PyTorch's modes, in turns."""
    import numpy as np

    names = (OURS, *modes)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    abouts: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(config.processes):
        workers, ready = _started(config, model, precision, modes)
        for name, second, peaks in _take_turns(workers, config):
            seconds[name].append(second)
            ready[name] |= peaks
        for name, worker in workers.items():
            abouts[name].append(ready[name])
            worker.close()
    operations = abouts[OURS][0]["operations_a_step"]
    sides = {
        name: _side(config.batch, seconds[name], abouts[name], operations)
        for name in names
    }
    row = {"model": model, "batch": config.batch, "precision": precision}
    row[OURS] = sides[OURS]
    if not modes:
        return [row]
    rows = []
    for mode in modes:
        ratios = np.array(seconds[mode]) / np.array(seconds[OURS])
        rows.append(
            row
            | {
                "torch": sides[mode],
                "speed_ratios": ratios.tolist(),
                "speed_ratio": float(np.median(ratios)),
                "speed_ratio_range": [float(ratios.min()), float(ratios.max())],
            }
        )
    return rows


def _started(
    config: Config, model: str, precision: Precision, modes: tuple[Mode, ...]
) -> tuple[dict[str, Worker], dict[str, dict[str, Any]]]:
    """The sides' processes, and the description of each once it is ready."""
    options = Options(
        model=model,
        batch=config.batch,
        precision=precision,
        device=config.device,
        onednn=config.onednn,
        keep_memory=config.keep_memory,
    )
    workers: dict[str, Worker] = {}
    ready = {}
    starts: dict[str, tuple[Path, Framework, Options]] = {
        OURS: (config.jax_python, "jax", options)
    }
    for mode in modes:
        of_mode = dataclasses.replace(options, mode=mode)
        starts[mode] = (config.torch_python, "torch", of_mode)
    for name, start in starts.items():
        workers[name] = Worker(*start)
        if config.device == "cpu":  # one at a time, because compilation is timed too
            ready[name] = workers[name].wait()
    return workers, ready or {name: workers[name].wait() for name in workers}


def _take_turns(
    workers: dict[str, Worker], config: Config
) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """A block's side, its seconds per step, and the side's memory."""
    steps = dict.fromkeys(workers, 1)
    for name, worker in workers.items():
        for _ in range(WARM_BLOCKS):
            answer = worker.train(steps[name])
            second = answer["seconds"] / answer["steps"]
            steps[name] = max(1, round(config.seconds / second))
    for block in range(config.blocks):
        for name in order(workers, block):
            answer = workers[name].train(steps[name])
            peaks = {key: answer[key] for key in ("peak_mib", "device_peak_mib")}
            yield name, answer["seconds"] / answer["steps"], peaks


def _side(
    batch: int, seconds: list[float], abouts: list[dict[str, Any]], operations: int
) -> dict[str, Any]:
    """A side's figures: medians over blocks and processes."""
    import numpy as np

    about = abouts[0] | {
        key: float(np.median([one[key] for one in abouts]))
        for key in ("compile_seconds", "product_flops", "peak_mib")
    }
    second = float(np.median(seconds))
    if "bytes_a_step" in about:
        rate = about["bytes_a_step"] / second
        about["share_of_memory_rate"] = rate / about["bytes_a_second"]
    return {
        "seconds_a_step": second,
        "seconds_a_step_of_blocks": seconds,
        "images_a_second": batch / second,
        "seconds_an_epoch": second * STEPS_AN_EPOCH,
        "share_of_product_rate": operations / second / about["product_flops"],
        **about,
    }


def line(row: dict[str, Any]) -> str:
    """A row in words."""
    ours = row[OURS]
    text = (
        f"{row['model']:13} {row['batch']:3} {row['precision']} jax {_figures(ours)}, "
        f"compiled in {ours['compile_seconds']:.0f} s"
    )
    if "torch" in row:
        low, high = row["speed_ratio_range"]
        text += (
            f"   torch {row['torch']['mode']} {_figures(row['torch'])}   "
            f"{row['speed_ratio']:.2f}× PyTorch ({low:.2f} to {high:.2f})"
        )
    return text


def _figures(side: dict[str, Any]) -> str:
    text = (
        f"{1e3 * side['seconds_a_step']:.2f} ms/step, "
        f"{100 * side['share_of_product_rate']:.0f}% of "
        f"{side['product_flops'] / 1e9:.0f} GFLOP/s, {side['peak_mib']:.0f} MiB"
    )
    share = side.get("share_of_memory_rate")
    return text + (f", {100 * share:.0f}% of the memory rate" if share else "")


def has_torch(python: Path) -> bool:
    """Whether an interpreter can import torch."""
    code = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('torch'))"
    return subprocess.run([python, "-c", code]).returncode == 0
