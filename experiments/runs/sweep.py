"""Many runs, one after the other, in one result directory (result_directory.py)."""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

from experiments.config.options import Execution
from experiments.config.run import RunConfig
from experiments.machine import hosts
from experiments.machine.locks import locked
from experiments.machine.progress import Progress, progress
from experiments.machine.stopping import Stop
from experiments.runs import jobs, result_directory, single
from experiments.runs.plan import Plan, make_plan, replayed, replays
from experiments.runs.run_directory import Run, is_run, read_run


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
    plan = make_plan(configs, out, execution, results=within or out)
    stop = hosts.AgreedStop(execution.time_budget, answers=not one_of_several)
    with _in_use(out, execution, within):
        if execution.jobs > 1:
            _run_apart(plan, out, stop)
        shown = progress(hosts.is_first(), not one_of_several, stop.output_failed)
        with shown as bar, stop.listening():
            for number, config in enumerate(plan.configs, start=1):
                _run_if_missing(plan, config, number, bar, stop, one_of_several)
        return [read_run(path) for path in plan.finished()]


@contextlib.contextmanager
def _in_use(out: Path, execution: Execution, within: Path | None):
    """The result directory, made or emptied by the first process, held by it."""
    with contextlib.ExitStack() as held:
        if hosts.is_first():
            if within is not None:
                held.enter_context(result_directory.opened(within, execution))
                out.mkdir(exist_ok=True)
                execution = dataclasses.replace(execution, resume=True, overwrite=False)
            held.enter_context(result_directory.opened(out, execution))
        hosts.from_first(True)  # it is there now
        yield


def _run_apart(plan: Plan, out: Path, stop: Stop) -> None:
    """Have several processes do what is missing."""
    work = functools.partial(run_all, one_of_several=True)
    with stop.listening():
        # Twice: a replay may have come up while its LM run was still going.
        for _ in range(2):
            if len(plan.missing()) > 1 and not stop():
                jobs.run_apart(work, plan.configs, out, plan.execution, stop)


def _run_if_missing(
    plan: Plan,
    config: RunConfig,
    number: int,
    bar: Progress,
    stop: Stop,
    one_of_several: bool,
) -> None:
    """Run `config`, the `number`-th of the plan, unless it is not for this process."""
    path = plan.path(config)
    if config not in plan.mine or hosts.from_first(is_run(path)):
        return
    if stop():
        raise stop.stopped()

    def leave(reason: str) -> None:
        if not one_of_several:
            bar.line(f"{config.run_id}  {reason}")

    source = plan.path(replayed(config))
    if replays(config) and not hosts.from_first(is_run(source)):
        leave(f"waits for {source.name}, which is not finished: --resume once it is")
        return
    with contextlib.ExitStack() as held:
        lock = path.with_name(f".{path.name}.lock")
        if not hosts.from_first(hosts.is_first() and held.enter_context(locked(lock))):
            leave("is being run by another process")
            return
        if hosts.from_first(is_run(path)):  # finished since we looked
            return
        bar.line(f"run {number} of {len(plan.configs)}")
        single.run(
            config,
            plan.trainer(config),
            path,
            progress=bar,
            stop=stop,
            checkpoint_minutes=plan.execution.checkpoint_minutes,
            prepare=functools.partial(plan.prepare, config),
            keep_weights=plan.execution.keep_weights,
        )
