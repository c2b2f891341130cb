"""`several`: ways to run several trainings on one device, compared with one by one."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks import report
from benchmarks.side import Device, Options, Precision
from benchmarks.timing import order, spread
from benchmarks.worker import Worker

Way = Literal["alone", "processes", "unrolled", "vmap"]
WAYS: dict[Way, str] = {
    "alone": "one run after the other",
    "processes": "a process for each run, with its share of the cores",
    "unrolled": "one program that contains a step of each run",
    "vmap": "one program with a step over all runs, by jax.vmap",
}
WARM_BLOCKS = 3


@dataclasses.dataclass(frozen=True)
class Config:
    """Time LM-SGD steps of several runs together, each way in fresh processes."""

    models: tuple[str, ...] = ("simple_cnn", "nn2")
    """Networks, see models/."""
    ways: tuple[Way, ...] = tuple(WAYS)
    """Ways to time; alone is the baseline of the others."""
    runs: int = 2
    """Runs at once."""
    batch: int = 128
    """Images per step of a run."""
    rounds: int = 3
    """How often each way is started; the ways take turns."""
    blocks: int = 3
    """Timed blocks of each start."""
    seconds: float = 3.0
    """Approximate length of a block."""
    precision: Precision = "float32"
    """Precision of the arithmetic; tensorfloat32 is for GPUs."""
    device: Device = "cpu"
    """Where."""
    keep_memory: bool = True
    """Tell glibc to keep freed memory."""
    onednn: bool = True
    """Compile for oneDNN where this JAX has it."""
    out: Path | None = None
    """JSON file to write the figures to."""


def run(config: Config) -> None:
    report.check(config)
    rows = []
    for model in config.models:
        rows.append(_measure(config, model))
        print(_line(rows[-1]), flush=True)
    report.write(config.out, config, rows, ways=WAYS, **report.where())


def _measure(config: Config, model: str) -> dict[str, Any]:
    """A network's row: seconds per step of one run, and how much faster than alone."""
    import numpy as np

    ways: list[Way] = list(dict.fromkeys(("alone", *config.ways)))
    seconds: dict[Way, list[float]] = {way: [] for way in ways}
    peaks: dict[Way, list[float]] = {way: [] for way in ways}
    for turn in range(config.rounds):
        for way in order(ways, turn):
            blocks, peak = _started(config, model, way)
            seconds[way] += blocks
            peaks[way].append(peak)
    row: dict[str, Any] = {"model": model, "runs": config.runs}
    alone = np.array(seconds["alone"])
    for way in ways:
        row[way] = {
            "seconds_a_step_of_a_run": float(np.median(seconds[way])),
            "peak_mib": float(np.median(peaks[way])),
        }
        if way != "alone":
            row[way]["speed"] = spread((alone / seconds[way]).tolist())
    return row


def _started(config: Config, model: str, way: Way) -> tuple[list[float], float]:
    """Seconds of each block for a step of one run, and the memory of all processes."""
    jobs = config.runs if way == "processes" else 1
    runs = config.runs if way in ("unrolled", "vmap") else 1
    one = Options(
        model=model,
        batch=config.batch,
        precision=config.precision,
        device=config.device,
        mode="eager",
        author_loop=False,
        onednn=config.onednn,
        runs=runs,
        vmap=way == "vmap",
        jobs=jobs,
        keep_memory=config.keep_memory,
    )
    workers = [
        Worker(
            Path(sys.executable),
            "jax",
            dataclasses.replace(one, job=job),
        )
        for job in range(jobs)
    ]
    for worker in workers:
        worker.wait()
    steps = 1
    for _ in range(WARM_BLOCKS):
        second, _ = _block(workers, steps)
        steps = max(1, round(config.seconds / second))
    blocks, peaks = zip(*(_block(workers, steps) for _ in range(config.blocks)))
    for worker in workers:
        worker.close()
    return [second / (jobs * runs) for second in blocks], peaks[-1]


def _block(workers: Sequence[Worker], steps: int) -> tuple[float, float]:
    """Seconds a step, of all workers at once, and their peak memory together in MiB."""
    began = time.perf_counter()
    for worker in workers:
        worker.tell(steps)
    answers = [worker.wait() for worker in workers]
    taken = time.perf_counter() - began
    peak = sum(answer["device_peak_mib"] or answer["peak_mib"] for answer in answers)
    return taken / answers[0]["steps"], peak


def _line(row: dict[str, Any]) -> str:
    alone = row["alone"]
    second = alone["seconds_a_step_of_a_run"]
    text = f"{row['model']:13} {row['runs']} runs: {second:.4f} s a step alone"
    text += f", {alone['peak_mib']:.0f} MiB"
    for way in WAYS:
        if way != "alone" and way in row:
            speed = row[way]["speed"]
            low, high = speed["range"]
            text += f"   {way} {speed['median']:.2f}× ({low:.2f} to {high:.2f})"
            text += f", {row[way]['peak_mib']:.0f} MiB"
    return text
