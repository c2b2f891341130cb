"""`training --minutes`: as much as fits into a few minutes on a borrowed GPU.

Networks and precisions follow the order of the command line. All sides of one start at
once, each in its own process, and the sides of the next get ready while it is measured.
A side that is not ready in time is left out and reported.
"""

import concurrent.futures
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.asked import Config
from benchmarks.side import Framework, Mode, Options, Precision
from benchmarks.timing import order
from benchmarks.worker import Worker
from experiments.errors import UserError

OURS = "ours"
BLOCKS = 5
BLOCK_SECONDS = 0.5
# The share of the remaining time that one network in one precision may wait for its
# sides: while others follow, and if it is the last.
PATIENCE, LAST_PATIENCE = 0.5, 0.8
THREADS = 64  # threads, each of which waits for one side


class Job(NamedTuple):
    """A network in one precision, with its sides by name."""

    model: str
    precision: Precision
    sides: dict[str, "Starting"]

    def end(self) -> None:
        for side in self.sides.values():
            side.worker.end()


class Starting:
    """A side that is getting ready."""

    def __init__(self, worker: Worker, pool: concurrent.futures.Executor):
        self.worker = worker
        self._about = pool.submit(worker.wait)

    def ready_by(self, deadline: float) -> dict[str, Any] | None:
        """The side's description, or None if it has failed or is late."""
        try:
            return self._about.result(max(0.0, deadline - time.monotonic()))
        except (UserError, concurrent.futures.TimeoutError):
            self.worker.end()
            return None

    def seconds(self, steps: int) -> float:
        self.worker.tell(steps)
        answer = self.worker.wait()
        return answer["seconds"] / answer["steps"]


def run(config: Config, torch: bool) -> None:
    """Measure, print and write row by row until the minutes are over."""
    assert config.minutes is not None
    began = time.monotonic()
    deadline = began + 60 * config.minutes
    wanted = [(m, p) for p in config.precisions for m in config.models]
    rows: list[dict[str, Any]] = []
    jobs: list[Job] = []
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        try:
            for number in range(len(wanted)):
                for model, precision in wanted[len(jobs) : number + 2]:
                    jobs.append(_started(config, torch, model, precision, pool))
                now = time.monotonic()
                last = number + 1 == len(wanted)
                patience = LAST_PATIENCE if last else PATIENCE
                ready_by = now + patience * (deadline - now)
                for row in _measured(jobs[number], ready_by, deadline):
                    rows.append(row | {"at": round(time.monotonic() - began, 1)})
                    print(f"{rows[-1]['at']:6.1f} s  {_line(rows[-1])}", flush=True)
                    report.write(config.out, config, rows)
                jobs[number].end()
                if time.monotonic() > deadline:
                    print(f"the time is up: {number + 1} of {len(wanted)} were begun")
                    break
        finally:
            for job in jobs:
                job.end()


def _started(
    config: Config,
    torch: bool,
    model: str,
    precision: Precision,
    pool: concurrent.futures.Executor,
) -> Job:
    def start(framework: Framework, mode: Mode = "eager", flags: str = "") -> Starting:
        options = Options(
            model=model,
            batch=config.batch,
            precision=precision,
            device=config.device,
            mode=mode,
            author_loop=False,
            onednn=config.onednn and framework == "jax",
            keep_memory=config.keep_memory,
            xla_flags=flags,
            preallocates=False,
        )
        python = config.jax_python if framework == "jax" else config.torch_python
        return Starting(Worker(python, framework, options), pool)

    sides = {OURS: start("jax")}
    if torch:
        sides |= {f"torch {mode}": start("torch", mode) for mode in config.modes}
    for flag in config.xla_flags:
        sides[f"{OURS} {flag}"] = start("jax", flags=f"--{flag.lstrip('-')}")
    return Job(model, precision, sides)


def _measured(job: Job, ready_by: float, deadline: float) -> Iterator[dict[str, Any]]:
    """A row for each side that is ready in time, taking turns with ours."""
    import numpy as np

    ours = job.sides[OURS]
    about = ours.ready_by(ready_by)
    if about is None:
        yield _row(job, OURS, late=True)
        return
    steps = _block(ours)
    for name, side in job.sides.items():
        if time.monotonic() > deadline:
            return
        its = about if name == OURS else side.ready_by(ready_by)
        if its is None:
            yield _row(job, name, late=True)
            continue
        sides, of = {OURS: ours, name: side}, {OURS: steps}
        of[name] = steps if name == OURS else _block(side)
        seconds: dict[str, list[float]] = {one: [] for one in sides}
        for turn in range(BLOCKS):
            for one in order(sides, turn):
                seconds[one].append(sides[one].seconds(of[one]))
        ratios = np.array(seconds[name]) / np.array(seconds[OURS])
        yield _row(
            job,
            name,
            seconds_a_step=float(np.median(seconds[name])),
            ours_faster=float(np.median(ratios)),
            range=[float(ratios.min()), float(ratios.max())],
            about=its,
        )


def _block(side: Starting) -> int:
    """The number of steps of a block, after a few warm-up steps."""
    steps = 1
    for _ in range(3):
        steps = max(1, round(BLOCK_SECONDS / side.seconds(steps)))
    return steps


def _row(job: Job, side: str, **figures: Any) -> dict[str, Any]:
    row = {"model": job.model, "precision": job.precision, "side": side, **figures}
    about, second = figures.get("about", {}), figures.get("seconds_a_step")
    if "operations_a_step" in about:
        rate = about["operations_a_step"] / second
        row["share_of_product_rate"] = rate / about["product_flops"]
    if "bytes_a_step" in about:
        rate = about["bytes_a_step"] / second
        row["share_of_memory_rate"] = rate / about["bytes_a_second"]
    return row


def _line(row: dict[str, Any]) -> str:
    text = f"{row['model']:13} {row['precision']:13} {row['side']:24}"
    if row.get("late"):
        return f"{text} not ready in time, or failed"
    text += f" {1e3 * row['seconds_a_step']:9.3f} ms"
    if row["side"] != OURS:
        low, high = row["range"]
        text += f"  ours is {row['ours_faster']:.2f}× as fast ({low:.2f} to {high:.2f})"
    for name in ("product", "memory"):
        share = row.get(f"share_of_{name}_rate")
        text += f"  {100 * share:.0f}% of the {name} rate" if share else ""
    about = row["about"]
    ready = about["compile_seconds"] + about["first_step_seconds"]
    return text + f"  compiled in {ready:.0f} s"
