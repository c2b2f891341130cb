"""Shows what a sweep would run, and about how long that takes; writes nothing."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from experiments.config.execution import Execution
from experiments.config.options import steps_of
from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.machine.log import say
from experiments.runs import committed, plan, result_directory
from experiments.runs.remaining import Pace, in_words
from experiments.runs.run_directory import Run, is_run, read_run


@dataclasses.dataclass(frozen=True)
class Outlook:
    """The runs of a sweep in one directory: which are done, and which are not.

    Attributes:
      finished: runs that pass all checks.
      damaged: runs that have changed since they were written.
      todo: the steps left of each unfinished run.
      begun: the unfinished runs that resume from a checkpoint.
    """

    finished: tuple[Run, ...]
    damaged: tuple[RunConfig, ...]
    todo: dict[RunConfig, int]
    begun: frozenset[RunConfig]


def show(
    configs: Sequence[RunConfig],
    out: Path,
    execution: Execution,
    within: Path | None = None,
    *,
    rates_to_choose: int = 0,
) -> None:
    """Print what `sweep.run_all` would do with the same arguments.

    Args:
      rates_to_choose: the number of learning rates among which trials will choose. Then
        only the number of runs is known.

    Raises:
      UserError: for anything that the sweep itself would reject.
    """
    ordered, _ = plan.ordered(configs, out, execution, within or out)
    mine = plan.of_shard(ordered, execution.shard)
    if rates_to_choose:
        say(
            f"{out}: then {_count(len(mine), 'run')}, "
            f"{_count(sum(map(steps_of, mine)), 'step')}, at the "
            f"best of {rates_to_choose} learning rates for each arm"
        )
        return
    ahead = outlook(mine, None if execution.overwrite else out / "runs")
    say(f"{out}: {_count(len(mine), 'run')}")
    if len(mine) < len(ordered):
        say(f"  of {len(ordered)}, by --shard {execution.shard}")
    for line in _lines(mine, ahead):
        say(f"  {line}")
    say(f"  {_time(ahead)}")
    result_directory.check(within or out, execution)


def outlook(configs: Sequence[RunConfig], runs: Path | None) -> Outlook:
    """What is done of these runs; None for a directory that is to be emptied."""
    finished, damaged = [], []
    todo: dict[RunConfig, int] = {}
    begun = set()
    for config in configs:
        path = None if runs is None else runs / config.run_id
        if path is not None and is_run(path):
            try:
                finished.append(read_run(path))
            except UserError as error:
                untrusted.leave_out(str(error))
                damaged.append(config)
            continue
        todo[config] = steps_of(config)
        done = 0 if path is None else checkpoint(path)
        if 0 < done <= todo[config]:
            begun.add(config)
            todo[config] -= done
    return Outlook(tuple(finished), tuple(damaged), todo, frozenset(begun))


def checkpoint(path: Path) -> int:
    """The step in the name of the newest checkpoint of the run for `path`."""
    work = path.with_name(f".{path.name}.work")
    if work.is_symlink() or not work.is_dir():
        return 0
    steps = [entry.name for entry in work.iterdir()]
    return max((int(s) for s in steps if s.isdecimal() and len(s) < 11), default=0)


def _lines(configs: Sequence[RunConfig], ahead: Outlook) -> list[str]:
    """One line per network, optimizer and arm."""
    done = {run.config for run in ahead.finished}
    kinds: dict[tuple[str, ...], list[RunConfig]] = {}
    for config in configs:
        key = (config.model, config.dataset, config.optimizer, config.arm)
        kinds.setdefault(key, []).append(config)
    lines = []
    for (model, dataset, optimizer, arm), alike in kinds.items():
        lengths = sorted({steps_of(config) for config in alike})
        counts = [f"{len(alike)} of {' or '.join(f'{n:,}' for n in lengths)} steps"]
        for number, word in (
            (sum(config in done for config in alike), "finished"),
            (sum(config in ahead.begun for config in alike), "begun"),
            (sum(config in ahead.damaged for config in alike), "damaged"),
        ):
            if number:
                counts.append(f"{number} {word}")
        lines.append(f"{model} on {dataset}, {optimizer} {arm}: {', '.join(counts)}")
    return lines


def _time(ahead: Outlook) -> str:
    if not ahead.todo:
        return "nothing is left to run"
    steps = sum(ahead.todo.values())
    most = any(config.until_above_chance for config in ahead.todo)
    of = f"{'at most ' * most}{_count(steps, 'step')}"
    left = f"to run: {_count(len(ahead.todo), 'run')}, {of}"
    here = [Pace.of(ahead.finished).seconds(c, n) for c, n in ahead.todo.items()]
    known = [seconds for seconds in here if seconds is not None]
    if len(known) == len(here):
        return f"{left}; {in_words(sum(known))}, at the pace of the finished runs here"
    if (seconds := committed.seconds(ahead.todo)) is not None:
        return (
            f"{left}; {in_words(seconds)} of steps on {committed.MACHINE}, one by one"
        )
    return f"{left}; the time is not known until one run is finished"


def _count(number: int, of: str) -> str:
    return f"{number:,} {of}{'' if number == 1 else 's'}"
