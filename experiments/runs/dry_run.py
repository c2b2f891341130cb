"""Shows what a sweep would run, and about how long that takes; writes nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.config.execution import Execution
from experiments.config.options import steps_of
from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.machine.log import say
from experiments.runs import checkpoints, committed, plan, remaining, result_directory
from experiments.runs.run_directory import Run, is_run, read_run
from experiments.text import plural

WORDS = ("finished", "begun", "damaged")


class State(NamedTuple):
    """One of WORDS, or "" for a run that is not begun; the steps that are left."""

    word: str
    left: int = 0
    run: Run | None = None


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
    if rates_to_choose:
        say(
            f"{out}: then {_count(len(ordered), 'run')}, "
            f"{_count(sum(map(steps_of, ordered)), 'step')}, at the "
            f"best of {rates_to_choose} learning rates for each arm"
        )
        return
    states = {
        config: State("", steps_of(config))
        if execution.overwrite
        else state_of(config, out / "runs" / config.run_id)
        for config in ordered
    }
    say(f"{out}: {_count(len(ordered), 'run')}")
    for line in _lines(states):
        say(f"  {line}")
    say(f"  {_time(states)}")
    result_directory.check(within or out, execution)


def state_of(config: RunConfig, path: Path) -> State:
    """The state of a run, whose directory is or will be `path`."""
    if is_run(path):
        try:
            return State("finished", run=read_run(path))
        except UserError as error:
            untrusted.leave_out(str(error))
            return State("damaged")
    steps = steps_of(config)
    done = max(checkpoints.steps(path.with_name(f".{path.name}.work")), default=0)
    return State("begun", steps - done) if 0 < done < steps else State("", steps)


def _lines(states: Mapping[RunConfig, State]) -> list[str]:
    """One line per network, optimizer and arm."""
    kinds: dict[tuple[str, ...], list[RunConfig]] = {}
    for config in states:
        key = (config.model, config.dataset, config.optimizer, config.arm)
        kinds.setdefault(key, []).append(config)
    lines = []
    for (model, dataset, optimizer, arm), alike in kinds.items():
        lengths = sorted({steps_of(config) for config in alike})
        counts = [f"{len(alike)} of {' or '.join(f'{n:,}' for n in lengths)} steps"]
        words = Counter(states[config].word for config in alike)
        counts += [f"{words[word]} {word}" for word in WORDS if words[word]]
        lines.append(f"{model} on {dataset}, {optimizer} {arm}: {', '.join(counts)}")
    return lines


def _time(states: Mapping[RunConfig, State]) -> str:
    todo = {config: state.left for config, state in states.items() if state.left}
    if not todo:
        return "nothing is left to run"
    most = any(config.until_above_chance for config in todo)
    steps = f"{'at most ' * most}{_count(sum(todo.values()), 'step')}"
    left = f"to run: {_count(len(todo), 'run')}, {steps}"
    finished = [state.run for state in states.values() if state.run is not None]
    if (seconds := remaining.seconds(remaining.paces(finished), todo)) is not None:
        pace = "at the pace of the finished runs here"
        return f"{left}; {remaining.in_words(seconds)}, {pace}"
    if (seconds := committed.seconds(todo)) is not None:
        pace = f"of steps on {committed.MACHINE}, one by one"
        return f"{left}; {remaining.in_words(seconds)} {pace}"
    return f"{left}; the time is not known until one run is finished"


def _count(number: int, of: str) -> str:
    return f"{number:,} {plural(number, of)}"
