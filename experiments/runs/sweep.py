"""Many runs, one after the other, in one result directory (result_directory.py)."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.config.execution import Execution
from experiments.config.run import RunConfig
from experiments.machine import hosts, log
from experiments.machine.locks import locked
from experiments.machine.log import LOG
from experiments.machine.progress import Progress, progress
from experiments.runs import provenance, result_directory, single
from experiments.runs.events import Events
from experiments.runs.plan import Plan, make_plan, replayed, replays
from experiments.runs.remaining import Remaining, in_words
from experiments.runs.run_directory import Run, is_run, read_run

if TYPE_CHECKING:
    import pandas as pd


def run_all(
    configs: Sequence[RunConfig],
    out: Path,
    execution: Execution,
    within: Path | None = None,
) -> list[Run]:
    """Run this shard's unfinished runs, in order.

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
            LOG.keep((within or out) / log.FILE, f"$ {provenance.command()}")
        shown = progress(hosts.is_first(), stop.output_failed)
        with shown as bar, stop.listening():
            rest = _Rest(plan, bar)
            for number, config in enumerate(plan.configs, start=1):
                path = plan.path(config)
                if config not in plan.mine or hosts.from_first(is_run(path)):
                    continue
                if stop():
                    raise stop.stopped()
                with _claimed(plan, config, bar.line) as mine:
                    if not mine:
                        continue
                    bar.line(f"run {number} of {len(plan.configs)}{rest.time_left()}")
                    rest.starts(config)
                    single.run(
                        config,
                        plan.trainer(config),
                        path,
                        progress=bar,
                        stop=stop,
                        checkpoint_minutes=execution.checkpoint_minutes,
                        prepare=functools.partial(plan.prepare, config),
                        keep_weights=execution.keep_weights,
                        followers=[rest, *_events(path, execution.tensorboard, bar)],
                    )
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


class _Rest(Remaining):
    """A follower that shows how much of a plan is left."""

    def __init__(self, plan: Plan, bar: Progress):
        super().__init__()
        self._plan, self._bar = plan, bar

    def add(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        super().add(steps, epochs)
        left = len(self._plan.missing())
        self._bar.whole(f"{left} of {len(self._plan.mine)} runs left{self.time_left()}")

    def end(self) -> None:
        pass

    def time_left(self) -> str:
        seconds = self.seconds(self._plan.missing())
        return "" if seconds is None else f", {in_words(seconds)} left"


def _events(path: Path, place: Path | None, bar: Progress) -> list[Events]:
    if place is None or not hosts.is_first():
        return []

    def failed(error: OSError) -> None:
        bar.line(f"cannot write event files to {place}: {error.strerror}")

    return [Events(place / path.name, failed)]
