"""Many runs, one after the other, in one result directory.

OUT/runs/RUN_ID/        a directory per finished run (rundir.py)
OUT/runs/.RUN_ID.work/  checkpoints of one in progress (checkpoints.py)
OUT/runs/.RUN_ID.lock   held by the process that works on it
OUT/…                   the sheets, the table and the curves made from the runs
"""

import dataclasses
import fcntl
import functools
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from experiments import allocator
from experiments.config import RunConfig
from experiments.errors import UserError
from experiments.options import Execution
from experiments.progress import progress
from experiments.rundir import Run, is_run, read_run
from experiments.stopping import Stop


def open_results(out: Path, execution: Execution) -> Path:
    """Make the result directory, or refuse one that is in use; returns OUT/runs."""
    runs = out / "runs"
    if execution.resume and execution.overwrite:
        raise UserError("--resume and --overwrite exclude each other")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            if not runs.is_dir():
                raise UserError(
                    f"{out} exists and is not a result directory: choose another --out"
                )
            if execution.overwrite:
                shutil.rmtree(out)
            elif not execution.resume:
                raise UserError(
                    f"{out} already holds results: --resume goes on there, --overwrite "
                    "deletes them, --out names another directory"
                )
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write results to {out}: {error}") from error
    return runs


def parse_shard(shard: str) -> tuple[int, int]:
    """(i, n) of "i/n", counted from 1."""
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    i, n = map(int, match.groups()) if match else (0, 0)
    if not 1 <= i <= n:
        raise UserError(f"--shard takes i/n with 1 <= i <= n, such as 2/4, got {shard}")
    return i, n


def run_all(configs: Sequence[RunConfig], out: Path, execution: Execution) -> list[Run]:
    """Run this shard's runs that are not finished, in order.

    A run that another process is working on is left to it.

    Returns:
      All of `configs` that are finished now, in their order.

    Raises:
      Stopped: the time budget is spent, or a signal asked to stop.
    """
    i, n = parse_shard(execution.shard)
    if execution.keep_memory and not allocator.keep_memory():
        raise UserError("--keep-memory needs glibc, which this system does not have")
    from experiments import data, runner, training
    from experiments.trainer import AXIS, DeviceData, Trainer

    configs = list(dict.fromkeys(configs))
    datasets = {
        (name, limit): data.load(
            name,
            data_dir=execution.data_dir,
            cache_dir=execution.cache_dir,
            limit_train=limit,
        )
        for name, limit in {(c.dataset, c.limit_train) for c in configs}
    }
    problems = {
        config: training.make_problem(
            config,
            len(datasets[config.dataset, config.limit_train].classes),
            axis_name=AXIS if execution.parallel == "pmap" else None,
        )
        for config in map(_seedless, configs)
    }
    runs = open_results(out, execution)

    @functools.cache
    def on_device(dataset: str, limit_train: int | None) -> DeviceData:
        return DeviceData.put(datasets[dataset, limit_train])

    @functools.lru_cache(maxsize=2)  # both arms of the pair that is running
    def trainer(config: RunConfig) -> Trainer:
        device_data = on_device(config.dataset, config.limit_train)
        return Trainer(
            problems[config],
            device_data,
            config.batch_size,
            parallel=execution.parallel,
        )

    stop = Stop(execution.time_budget)
    with progress() as shown, stop.listening():
        for number, config in enumerate(configs, start=1):
            path = runs / config.run_id
            if number % n != i % n or is_run(path):
                continue
            if stop():
                raise stop.stopped()
            with _locked(path) as mine:
                if not mine:
                    shown.line(f"{config.run_id}  is being run by another process")
                    continue
                if is_run(path):  # finished since we looked
                    continue
                shown.line(f"run {number} of {len(configs)}")
                runner.run(
                    config,
                    trainer(_seedless(config)),
                    path,
                    progress=shown,
                    stop=stop,
                    checkpoint_minutes=execution.checkpoint_minutes,
                )
    paths = [runs / config.run_id for config in configs]
    return [read_run(path) for path in paths if is_run(path)]


def _seedless(config: RunConfig) -> RunConfig:
    return dataclasses.replace(config, seed=0)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether this process has the run to itself; the kernel frees the lock."""
    lock = path.with_name(f".{path.name}.lock")
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        lock.unlink(missing_ok=True)
