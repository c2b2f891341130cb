"""Many runs, one after the other, in one result directory (result_directory.py)."""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.config.execution import Execution
from experiments.config.run import RunConfig
from experiments.machine import hosts, log
from experiments.machine.locks import locked
from experiments.machine.log import LOG
from experiments.machine.progress import Progress, progress
from experiments.machine.stopping import Stop
from experiments.runs import jobs, provenance, result_directory, single
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
    one_of: int = 1,
    within: Path | None = None,
) -> list[Run]:
    """Run this shard's runs that are not finished, in order.

    A run that another process is working on is left to it. `out` is in use meanwhile.
    Nothing is written, or with --overwrite deleted, before options and data are sound.

    Args:
      one_of: how many processes of --jobs this is one of. One of several draws no bar
        and says nothing about the runs that are not its own.
      within: the result directory that `out` belongs to, where it is one of trials.

    Returns:
      All of `configs` that are finished now, in their order, replays last.

    Raises:
      Stopped: the time budget is spent, or a signal asked to stop.
    """
    plan = make_plan(configs, out, execution, results=within or out)
    stop = hosts.AgreedStop(execution.time_budget, answers=one_of == 1)
    with _in_use(out, execution, within):
        if hosts.is_first():
            first = "" if one_of > 1 else f"$ {provenance.command()}"
            LOG.keep((within or out) / log.FILE, first)
        if execution.jobs > 1:
            _run_apart(plan, out, stop)
        shown = progress(hosts.is_first(), one_of == 1, stop.output_failed)
        with shown as bar, stop.listening():
            sweep = _Sweep(plan, bar, stop, one_of)
            for number, config in enumerate(plan.configs, start=1):
                sweep.run_if_missing(config, number)
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
    work = functools.partial(run_all, one_of=plan.execution.jobs)
    with stop.listening():
        # Twice: a replay may have come up while its LM run was still going.
        for _ in range(2):
            if len(plan.missing()) > 1 and not stop():
                jobs.run_apart(work, plan.configs, out, plan.execution, stop)


class _Sweep:
    """The runs of a plan in turn; follows each to say how long the rest takes."""

    def __init__(self, plan: Plan, bar: Progress, stop: Stop, one_of: int):
        self._plan, self._bar, self._stop, self._one_of = plan, bar, stop, one_of
        self._remaining = Remaining(one_of)

    def run_if_missing(self, config: RunConfig, number: int) -> None:
        """Run the `number`-th of the plan, unless it is not for this process."""
        plan, path = self._plan, self._plan.path(config)
        if config not in plan.mine or hosts.from_first(is_run(path)):
            return
        if self._stop():
            raise self._stop.stopped()
        source = plan.path(replayed(config))
        if replays(config) and not hosts.from_first(is_run(source)):
            why = f"waits for {source.name}, which is not finished: --resume once it is"
            self._leave(config, why)
            return
        with contextlib.ExitStack() as held:
            lock = path.with_name(f".{path.name}.lock")
            mine = hosts.is_first() and held.enter_context(locked(lock))
            if not hosts.from_first(mine):
                self._leave(config, "is being run by another process")
                return
            if hosts.from_first(is_run(path)):  # finished since we looked
                return
            self._bar.line(f"run {number} of {len(plan.configs)}{self._time_left()}")
            self._remaining.starts(config)
            single.run(
                config,
                plan.trainer(config),
                path,
                progress=self._bar,
                stop=self._stop,
                checkpoint_minutes=plan.execution.checkpoint_minutes,
                prepare=functools.partial(plan.prepare, config),
                keep_weights=plan.execution.keep_weights,
                followers=[self, *self._events(path)],
            )

    def _events(self, path: Path) -> list[Events]:
        place = self._plan.execution.tensorboard
        if place is None or not hosts.is_first():
            return []

        def failed(error: OSError) -> None:
            self._bar.line(f"cannot write event files to {place}: {error.strerror}")

        return [Events(place / path.name, failed)]

    def _leave(self, config: RunConfig, reason: str) -> None:
        if self._one_of == 1:
            self._bar.line(f"{config.run_id}  {reason}")

    def begin(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        self._remaining.begin(steps, epochs)

    def add(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        self._remaining.add(steps, epochs)
        left = len(self._plan.missing())
        self._bar.whole(
            f"{left} of {len(self._plan.mine)} runs left{self._time_left()}"
        )

    def end(self) -> None:
        pass

    def _time_left(self) -> str:
        seconds = self._remaining.seconds(self._plan.missing())
        return "" if seconds is None else f", {in_words(seconds)} left"
