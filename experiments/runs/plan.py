"""The plan of a sweep, checked as a whole before anything is written."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.config import replay
from experiments.config.arms import ARMS, LM
from experiments.config.execution import Execution
from experiments.config.options import steps_of
from experiments.config.run import RunConfig
from experiments.data import loading
from experiments.errors import UserError
from experiments.runs import checkpoints
from experiments.runs.run_directory import is_run, read_run, read_weights
from experiments.train.placement import AXIS
from experiments.train.problem import make_problem
from experiments.train.step import TrainState, with_weights
from experiments.train.trainer import DeviceData, Trainer


@dataclasses.dataclass(frozen=True)
class Plan:
    """The runs of a sweep, and what they train.

    Attributes:
      configs: all runs in order; replays of another run's scales come last.
      trainers: compiled functions, by a configuration with seed 0.
      weights: what every run starts from; None for fresh weights.
      runs: OUT/runs.
    """

    configs: tuple[RunConfig, ...]
    trainers: Mapping[RunConfig, Trainer]
    weights: dict[str, Any] | None
    runs: Path

    def path(self, config: RunConfig) -> Path:
        return self.runs / config.run_id

    def finished(self) -> list[Path]:
        paths = map(self.path, self.configs)
        return [path for path in paths if is_run(path)]

    def missing(self) -> list[RunConfig]:
        return [c for c in self.configs if not is_run(self.path(c))]

    def trainer(self, config: RunConfig) -> Trainer:
        return self.trainers[_seedless(config)]

    def prepare(self, config: RunConfig, state: TrainState) -> TrainState:
        """The fresh state of a run, with given weights or scales if it has them."""
        if self.weights is not None:
            state = with_weights(state, self.weights)
        reorder = ARMS[config.arm].replay
        if reorder is None:
            return state
        scales = read_run(self.path(replayed(config))).steps["scale"].to_numpy()
        steps = config.epochs * self.trainer(config).steps_per_epoch
        chosen = reorder(scales, steps, config.seed)
        return state._replace(opt_state=replay.with_scales(state.opt_state, chosen))


def ordered(
    configs: Sequence[RunConfig], out: Path, execution: Execution, results: Path
) -> tuple[list[RunConfig], dict[str, Any] | None]:
    """All runs in order, and the weights that they start from, if not fresh ones.

    This is the part of `make_plan` that loads no data, with the same arguments and
    errors.
    """
    weights = None
    if execution.init_from is not None:
        source = execution.init_from.resolve()
        if execution.overwrite and source.is_relative_to(results.resolve()):
            raise UserError(
                f"--overwrite would delete {source}, which --init-from names"
            )
        weights = _weights(configs, execution.init_from)
        digest = checkpoints.digest(weights["params"])
        configs = [dataclasses.replace(c, init_from=digest) for c in configs]
    # A run that replays another run's scales comes after that run.
    in_order = sorted(dict.fromkeys(configs), key=replays)
    runs = None if execution.overwrite else out / "runs"
    check_replays(in_order, runs)
    for path in (runs / config.run_id for config in in_order if runs is not None):
        if path.exists() and not is_run(path):
            raise UserError(f"{path} has no result.json: move it away to run it again")
    return in_order, weights


def _weights(configs: Sequence[RunConfig], source: Path) -> dict[str, Any]:
    """Those of a run directory, or of a file of PyTorch's for the runs' network."""
    if source.is_dir():
        return read_weights(source)
    from models.torch import files, weights

    wanted = {(c.model, loading.record(c.dataset).classes) for c in configs}
    if len(wanted) > 1:
        raise UserError(f"--init-from {source} has the weights of one network only")
    ((model, classes),) = wanted
    try:
        variables = weights.convert(model, files.read(source), classes)
    except (OSError, ValueError) as error:
        raise UserError(f"--init-from {source}: {error}") from error
    return {"batch_stats": {}} | variables


def make_plan(
    configs: Sequence[RunConfig], out: Path, execution: Execution, results: Path
) -> Plan:
    """Plan a sweep: load its data and create its problems, so that no run fails later.

    Args:
      out: where the runs go.
      results: the result directory that --overwrite would empty, `out` or around it.

    Raises:
      UserError: options, data or weights are invalid.
    """
    in_order, weights = ordered(configs, out, execution, results)
    datasets: dict[object, DeviceData] = {}
    trainers = {}
    for config in dict.fromkeys(map(_seedless, in_order)):
        images = config.dataset, config.limit_train, config.validation
        if images not in datasets:
            datasets[images] = DeviceData.put(
                loading.load(
                    config.dataset,
                    data_dir=execution.data_dir,
                    cache_dir=execution.cache_dir,
                    limit_train=config.limit_train,
                    validation=config.validation,
                )
            )
        trainers[config] = Trainer(
            make_problem(
                config,
                steps_of(config) // config.epochs,
                axis_name=AXIS if execution.parallel == "pmap" else None,
            ),
            datasets[images],
            config.batch_size,
            parallel=execution.parallel,
            onednn=execution.onednn,
        )
    return Plan(tuple(in_order), trainers, weights, out / "runs")


def replays(config: RunConfig) -> bool:
    """Whether a run needs another run's scales."""
    return ARMS[config.arm].replay is not None


def replayed(config: RunConfig) -> RunConfig:
    """The LM run whose scales a run replays."""
    return dataclasses.replace(config, arm=LM.name)


def check_replays(configs: Sequence[RunConfig], runs: Path | None) -> None:
    """Reject a replay whose LM run is neither planned nor finished under `runs`."""
    for config in filter(replays, configs):
        source = replayed(config)
        if source not in configs and not (runs and is_run(runs / source.run_id)):
            raise UserError(
                f"{config.arm} replays the scales of the LM run with the same seed: "
                "add lm to --arms"
            )


def _seedless(config: RunConfig) -> RunConfig:
    return dataclasses.replace(config, seed=0)
