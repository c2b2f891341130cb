"""Many runs, one after the other, in one result directory (result_dir.py)."""

import contextlib
import dataclasses
import functools
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from experiments import allocator, result_dir
from experiments.config import REPLAYS, RunConfig
from experiments.errors import UserError
from experiments.locks import locked
from experiments.options import Execution
from experiments.progress import progress
from experiments.rundir import Run, is_run, read_run, read_weights


def parse_shard(shard: str) -> tuple[int, int]:
    """(i, n) of "i/n", counted from 1."""
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    i, n = map(int, match.groups()) if match else (0, 0)
    if not 1 <= i <= n:
        raise UserError(f"--shard takes i/n with 1 <= i <= n, such as 2/4, got {shard}")
    return i, n


def run_all(
    configs: Sequence[RunConfig],
    out: Path,
    execution: Execution,
    one_of_several: bool = False,
    within: Path | None = None,
) -> list[Run]:
    """Run this shard's runs that are not finished, in order.

    A run that another process is working on is left to it. `out` is in use meanwhile.
    Nothing is written, or with --overwrite deleted, before options and data are sound.

    Args:
      one_of_several: whether this is a process of --jobs, which draws no bar and says
        nothing about the runs that are not its own.
      within: the result directory that `out` belongs to, where it is one of trials.

    Returns:
      All of `configs` that are finished now, in their order, replays last.

    Raises:
      Stopped: the time budget is spent, or a signal asked to stop.
    """
    with contextlib.ExitStack() as in_use:
        return _run_all(configs, out, execution, one_of_several, within, in_use)


def _run_all(
    configs: Sequence[RunConfig],
    out: Path,
    execution: Execution,
    one_of_several: bool,
    within: Path | None,
    in_use: contextlib.ExitStack,
) -> list[Run]:
    parse_shard(execution.shard)
    if execution.keep_memory and not allocator.keep_memory():
        raise UserError("--keep-memory needs glibc, which this system does not have")
    from experiments import checkpoints, controls, data, hosts, jobs, runner, training
    from experiments.placement import AXIS
    from experiments.trainer import DeviceData, Trainer
    from experiments.training import TrainState

    jobs.prepare(execution)
    hosts.give_cpu_devices_threads()
    keep_compiled(execution.cache_dir or data.default_cache_dir())
    hosts.start(execution.coordinator, execution.num_processes, execution.process_id)
    if hosts.several() and execution.parallel != "sharded":
        raise UserError("several processes train together by --parallel sharded only")
    if execution.onednn:
        check_onednn(execution.parallel)

    weights = None
    if execution.init_from is not None:
        source = execution.init_from.resolve()
        if execution.overwrite and source.is_relative_to((within or out).resolve()):
            raise UserError(
                f"--overwrite would delete {source}, which --init-from names"
            )
        weights = read_weights(execution.init_from)
        digest = checkpoints.digest(weights["params"])
        configs = [dataclasses.replace(c, init_from=digest) for c in configs]
    # A run that replays another's scales comes after it.
    configs = sorted(dict.fromkeys(configs), key=lambda c: c.arm in REPLAYS)
    check_replays(configs, None if execution.overwrite else out / "runs")
    datasets = {
        key: data.load(
            name,
            data_dir=execution.data_dir,
            cache_dir=execution.cache_dir,
            limit_train=limit,
            validation=validation,
        )
        for key in map(_dataset_key, configs)
        for name, limit, validation in [key]
    }
    problems = {
        config: training.make_problem(
            config,
            len(dataset.classes),
            steps_per_epoch=-(-len(dataset.train_images) // config.batch_size),
            axis_name=AXIS if execution.parallel == "pmap" else None,
        )
        for config in map(_seedless, configs)
        for dataset in [datasets[_dataset_key(config)]]
    }
    if hosts.is_first():
        if within is not None:
            in_use.enter_context(result_dir.opened(within, execution))
            out.mkdir(exist_ok=True)
            execution = dataclasses.replace(execution, resume=True, overwrite=False)
        in_use.enter_context(result_dir.opened(out, execution))
    runs = out / "runs"
    hosts.from_first(True)  # it is there now

    @functools.cache
    def on_device(key: DatasetKey) -> DeviceData:
        return DeviceData.put(datasets[key])

    @functools.cache
    def trainer(config: RunConfig) -> Trainer:
        return Trainer(
            problems[config],
            on_device(_dataset_key(config)),
            config.batch_size,
            parallel=execution.parallel,
            onednn=execution.onednn,
        )

    def prepare(config: RunConfig, state: TrainState) -> TrainState:
        if weights is not None:
            state = training.with_weights(state, weights)
        if config.arm in REPLAYS:
            scales = read_run(runs / _replayed(config).run_id).steps["scale"]
            steps = config.epochs * trainer(_seedless(config)).steps_per_epoch
            chosen = controls.scales_to_replay(
                config.arm, scales.to_numpy(), steps, config.seed
            )
            opt_state = controls.with_scales(state.opt_state, chosen)
            state = state._replace(opt_state=opt_state)
        return state

    mine = set(of_shard(configs, execution.shard))
    stop = hosts.AgreedStop(execution.time_budget, answers=not one_of_several)
    if execution.jobs > 1:
        work = functools.partial(run_all, one_of_several=True)
        with stop.listening():
            # Twice: a replay may have come up while its LM run was still going.
            for _ in range(2):
                missing = [c for c in mine if not is_run(runs / c.run_id)]
                if len(missing) > 1 and not stop():
                    jobs.run_apart(work, configs, out, execution, stop)
    with (
        progress(hosts.is_first(), not one_of_several, stop.output_failed) as shown,
        stop.listening(),
    ):
        for number, config in enumerate(configs, start=1):
            path = runs / config.run_id
            if config not in mine or hosts.from_first(is_run(path)):
                continue
            if stop():
                raise stop.stopped()
            if config.arm in REPLAYS and not hosts.from_first(
                is_run(runs / _replayed(config).run_id)
            ):
                if not one_of_several:
                    shown.line(
                        f"{config.run_id}  waits for {_replayed(config).run_id}, which "
                        "is not finished: --resume once it is"
                    )
                continue
            lock = path.with_name(f".{path.name}.lock")
            with contextlib.ExitStack() as held:
                got = hosts.is_first() and held.enter_context(locked(lock))
                if not hosts.from_first(got):
                    if not one_of_several:
                        shown.line(f"{config.run_id}  is being run by another process")
                    continue
                if hosts.from_first(is_run(path)):  # finished since we looked
                    continue
                shown.line(f"run {number} of {len(configs)}")
                runner.run(
                    config,
                    trainer(_seedless(config)),
                    path,
                    progress=shown,
                    stop=stop,
                    checkpoint_minutes=execution.checkpoint_minutes,
                    prepare=functools.partial(prepare, config),
                    keep_weights=execution.keep_weights,
                )
    paths = [runs / config.run_id for config in configs]
    return [read_run(path) for path in paths if is_run(path)]


def check_onednn(parallel: str) -> None:
    """Raise UserError where --onednn cannot be had, and have JAX say nothing of it.

    What is compiled for oneDNN cannot be kept, of which JAX warns each time.
    """
    from models import compiler_options

    if parallel == "pmap":
        raise UserError("--onednn goes with --parallel none or sharded, not with pmap")
    if not compiler_options():
        import jax

        raise UserError(
            f"--onednn: jaxlib {jax.lib.__version__} has no oneDNN for "
            f"{jax.default_backend()}s here; it takes 0.12 or newer, on an x86 CPU"
        )
    warnings.filterwarnings(
        "ignore", "Error writing persistent compilation cache entry", UserWarning
    )


def keep_compiled(cache_dir: Path) -> None:
    """Have JAX keep what it compiles; a cache that the user has set is left alone."""
    import jax

    if getattr(jax.config, "jax_compilation_cache_dir") is None:  # noqa: B009
        jax.config.update("jax_compilation_cache_dir", str(cache_dir / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    # Another process may be writing the entry; it is compiled anew then.
    warnings.filterwarnings(
        "ignore", "Error reading persistent compilation cache entry", UserWarning
    )


def of_shard(configs: Sequence[RunConfig], shard: str) -> list[RunConfig]:
    """The runs of shard "i/n": every n-th of the groups that are compared by pair.

    A group is all arms of one seed, network and optimizer, at whatever learning rates,
    so that no arm has a machine to itself and a replay is where its LM run is.
    """
    i, n = parse_shard(shard)
    keys = [(c.dataset, c.model, c.optimizer, c.seed) for c in configs]
    place = {key: number for number, key in enumerate(dict.fromkeys(keys), start=1)}
    return [c for c, key in zip(configs, keys) if place[key] % n == i % n]


DatasetKey = tuple[str, int | None, int | None]


def _dataset_key(config: RunConfig) -> DatasetKey:
    return config.dataset, config.limit_train, config.validation


def _replayed(config: RunConfig) -> RunConfig:
    """The LM run whose scales a run replays."""
    return dataclasses.replace(config, arm="lm")


def check_replays(configs: Sequence[RunConfig], runs: Path | None) -> None:
    for config in configs:
        if config.arm not in REPLAYS:
            continue
        source = _replayed(config)
        if source not in configs and not (runs and is_run(runs / source.run_id)):
            raise UserError(
                f"{config.arm} replays the scales of the LM run with the same seed: "
                "add lm to --arms"
            )


def _seedless(config: RunConfig) -> RunConfig:
    return dataclasses.replace(config, seed=0)
