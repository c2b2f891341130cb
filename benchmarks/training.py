"""`training`: seconds per step, ours and PyTorch's, same network, same arithmetic."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.asked import Config
from benchmarks.side import Framework, Options
from benchmarks.timing import order
from benchmarks.worker import Worker

STEPS_AN_EPOCH = 391
WARM_BLOCKS = 6
NO_TORCH = (
    "torch is not installed, so only our side is measured. To compare, pip install "
    "'.[parity]' or name another interpreter with --torch-python."
)


def run(config: Config) -> None:
    report.check(config)
    torch = has_torch(config.torch_python)
    if not torch:
        print(NO_TORCH)
    if config.minutes is not None:
        from benchmarks import budget

        budget.run(config, torch)
        return
    rows = []
    for model in config.models:
        rows.append(measure(config, model, torch))
        print(line(rows[-1]), flush=True)
    report.write(config.out, config, rows)


def measure(config: Config, model: str, torch: bool) -> dict[str, Any]:
    """One network's row: our side and, with `torch`, PyTorch's, in turns."""
    import numpy as np

    pythons: dict[Framework, Path] = {"jax": config.jax_python}
    if torch:
        pythons["torch"] = config.torch_python
    blocks: dict[Framework, list[float]] = {name: [] for name in pythons}
    abouts: dict[Framework, list[dict[str, Any]]] = {name: [] for name in pythons}
    for _ in range(config.processes):
        sides: dict[Framework, Worker] = {}
        ready = {}
        for name, python in pythons.items():
            # One after the other, because getting ready is also timed.
            options = _options(config, name, model)
            sides[name] = Worker(python, name, options)
            ready[name] = sides[name].wait()
        for name, seconds, peaks in _take_turns(sides, config):
            ready[name] |= peaks
            blocks[name].append(seconds)
        for name, side in sides.items():
            abouts[name].append(ready[name])
            side.close()
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
            "seconds_a_step_of_blocks": blocks[name],
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


def _options(config: Config, framework: Framework, model: str) -> Options:
    return Options(
        model=model,
        batch=config.batch,
        precision=config.precision,
        device=config.device,
        mode="compile" if config.torch_compile else "eager",
        author_loop=config.author_loop,
        onednn=config.onednn and framework == "jax",
        keep_memory=config.keep_memory,
    )


def _take_turns(
    sides: dict[Framework, Worker], config: Config
) -> Iterator[tuple[Framework, float, dict[str, Any]]]:
    """A block's side, its seconds per step, and the side's memory."""
    steps = dict.fromkeys(sides, 1)
    for name, worker in sides.items():
        for _ in range(WARM_BLOCKS):  # new memory is slow
            worker.tell(steps[name])
            answer = worker.wait()
            second = answer["seconds"] / answer["steps"]
            steps[name] = max(1, round(config.seconds / second))
    for block in range(config.blocks):
        for name in order(sides, block):
            sides[name].tell(steps[name])
            answer = sides[name].wait()
            peaks = {key: answer[key] for key in ("peak_mib", "device_peak_mib")}
            yield name, answer["seconds"] / answer["steps"], peaks


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
        f"{100 * side['share_of_product_rate']:.0f}% of "
        f"{side['product_flops'] / 1e9:.0f} GFLOP/s, {side['peak_mib']:.0f} MiB"
    )


def has_torch(python: Path) -> bool:
    """Whether an interpreter can import torch."""
    code = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('torch'))"
    return subprocess.run([python, "-c", code]).returncode == 0
