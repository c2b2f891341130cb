"""Many runs, one after the other, in one result directory.

OUT/runs/RUN_ID/…    a directory per run (rundir.py)
OUT/…                the sheets, the table and the curves made from them
"""

import dataclasses
import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

from experiments.config import RunConfig
from experiments.errors import UserError
from experiments.options import Places
from experiments.progress import progress
from experiments.rundir import Run, is_run, read_run


def open_results(out: Path, places: Places) -> Path:
    """Make the result directory, or refuse one that is in use; returns OUT/runs."""
    runs = out / "runs"
    if places.resume and places.overwrite:
        raise UserError("--resume and --overwrite exclude each other")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not runs.is_dir():
            raise UserError(
                f"{out} exists and is not a result directory: choose another --out"
            )
        if places.overwrite:
            shutil.rmtree(out)
        elif not places.resume:
            raise UserError(
                f"{out} already holds results: --resume goes on there, --overwrite "
                "deletes them, --out names another directory"
            )
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {runs}: {error}") from error
    return runs


def run_all(configs: Sequence[RunConfig], out: Path, places: Places) -> list[Run]:
    """Run what is not finished yet, in order; returns every run, in that order."""
    from experiments import data, runner, training

    datasets = {
        (config.dataset, config.limit_train): data.load(
            config.dataset,
            data_dir=places.data_dir,
            cache_dir=places.cache_dir,
            limit_train=config.limit_train,
        )
        for config in configs
    }
    runs = open_results(out, places)

    @functools.cache
    def on_device(dataset: str, limit_train: int | None) -> training.DeviceData:
        return training.DeviceData.put(datasets[dataset, limit_train])

    @functools.lru_cache(maxsize=2)  # both arms of the pair that is running
    def trainer(config: RunConfig) -> training.Trainer:
        key = config.dataset, config.limit_train
        problem = training.make_problem(config, len(datasets[key].classes))
        return training.Trainer(problem, on_device(*key), config.batch_size)

    with progress() as shown:
        for number, config in enumerate(configs, start=1):
            path = runs / config.run_id
            if is_run(path):
                shown.line(f"{config.run_id}  already finished")
                continue
            shown.line(f"run {number} of {len(configs)}: {config.run_id}")
            seedless = dataclasses.replace(config, seed=0)
            runner.run(config, trainer(seedless), path, shown)
    return [read_run(runs / config.run_id) for config in configs]
