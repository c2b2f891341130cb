"""Many runs, one after the other, in one result directory (result_directory.py)."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jax.errors import JaxRuntimeError

from experiments.config.execution import Execution
from experiments.config.options import steps_of
from experiments.config.run import RunConfig
from experiments.machine import hosts, log
from experiments.machine.locks import locked
from experiments.machine.progress import progress
from experiments.runs import provenance, remaining, result_directory, single
from experiments.runs.plan import Plan, make_plan, replayed, replays
from experiments.runs.run_directory import Run, is_run, read_run


def run_all(
    configs: Sequence[RunConfig],
    out: Path,
    execution: Execution,
    within: Path | None = None,
) -> list[Run]:
    """Run the unfinished runs, in order.

    Runs that another process is working on are skipped. `out` is locked meanwhile.
    Nothing is written, or deleted with --overwrite, before options and data are
    checked.

    Args:
      within: the result directory that `out` belongs to, if it is one of trials.

    Returns:
      All of `configs` that are now finished, in order, with replays last.

    Raises:
      Stopped: the time budget is spent, or a signal asked to stop.
    """
    stop = hosts.AgreedStop(execution.time_budget)
    plan = make_plan(configs, out, execution, results=within or out)
    with _in_use(out, execution, within):
        if hosts.is_first():
            log.keep((within or out) / log.FILE, f"$ {provenance.command()}")
        shown = progress(hosts.is_first(), stop.output_failed)
        done: list[Run] = []
        with shown as bar, stop.listening():
            for number, config in enumerate(plan.configs, start=1):
                path = plan.path(config)
                if hosts.from_first(is_run(path)):
                    continue
                if stop():
                    raise stop.stopped()
                with _claimed(plan, config, bar.line) as mine:
                    if not mine:
                        continue
                    left = _time_left(plan, done)
                    bar.line(f"run {number} of {len(plan.configs)}{left}")
                    try:
                        single.run(
                            config,
                            plan.trainer(config),
                            path,
                            progress=bar,
                            stop=stop,
                            checkpoint_minutes=execution.checkpoint_minutes,
                            prepare=functools.partial(plan.prepare, config),
                            keep_weights=execution.keep_weights,
                        )
                    except JaxRuntimeError as error:
                        # SIGTERM may end JAX's compiler, a child process.
                        if stop.requested is None:
                            raise
                        raise stop.requested from error
                    if hosts.is_first():
                        done.append(read_run(path))
        return [read_run(path) for path in plan.finished()]


@contextlib.contextmanager
def _in_use(out: Path, execution: Execution, within: Path | None):
    """The result directory; the first process creates or empties it, and locks it."""
    with contextlib.ExitStack() as held:
        if hosts.is_first():
            if within is not None:
                held.enter_context(result_directory.opened(within, execution))
                out.mkdir(exist_ok=True)
                execution = dataclasses.replace(execution, resume=True, overwrite=False)
            held.enter_context(result_directory.opened(out, execution))
        hosts.from_first(True)  # the directory exists now
        yield


@contextlib.contextmanager
def _claimed(
    plan: Plan, config: RunConfig, say: Callable[[str], None]
) -> Iterator[bool]:
    """Whether this process should do the run, which is locked during the block."""
    path, source = plan.path(config), plan.path(replayed(config))
    if replays(config) and not hosts.from_first(is_run(source)):
        why = f"waits for {source.name}, which is not finished: --resume once it is"
        say(f"{config.run_id}  {why}")
        yield False
        return
    with contextlib.ExitStack() as held:
        lock = path.with_name(f".{path.name}.lock")
        mine = hosts.is_first() and held.enter_context(locked(lock))
        if not hosts.from_first(mine):
            say(f"{config.run_id}  is being run by another process")
            yield False
            return
        yield not hosts.from_first(is_run(path))  # finished since we checked


def _time_left(plan: Plan, done: Sequence[Run]) -> str:
    """The time that all missing runs take, once it is known."""
    steps = {config: steps_of(config) for config in plan.missing()}
    seconds = remaining.seconds(remaining.paces(done), steps)
    return "" if seconds is None else f", {remaining.in_words(seconds)} left"
