"""The runs in a directory, finished or not, and the state of each.

This writes nothing and trusts only consistent files. A finished run is read with all
checks. The state of an unfinished run comes from its growing rows, if their
configuration matches the directory's name.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.machine.locks import is_held
from experiments.runs import growing
from experiments.runs.run_directory import EPOCH_COLUMNS, NAME, read_run

_UNFINISHED = re.compile(rf"\.({NAME})\.(work|live|lock)")
_LONGEST = 200  # characters of an error that are shown


class State(NamedTuple):
    """The state of a run.

    Attributes:
      path: of its directory, which exists once it is finished.
      word: finished, diverged, running, interrupted, damaged.
      epoch: the last epoch with a test; None if unknown.
      epochs: of the whole run.
      accuracy: of that test, in percent.
      reason: what is damaged.
    """

    path: Path
    word: str
    epoch: int | None = None
    epochs: int | None = None
    accuracy: float | None = None
    reason: str = ""


def states(root: Path) -> list[State]:
    """The state of every run at or below `root`, by path.

    Hidden directories are not entered, links are not followed. A directory that cannot
    be read is named on stderr.
    """
    listed = [
        state
        for directory in untrusted.directories(root)
        for state in _states(*directory)
    ]
    return sorted(listed, key=lambda state: state.path)


def _states(directory: Path, names: set[str]) -> Iterator[State]:
    if "result.json" in names:
        yield _checked(directory, _finished)
    elif re.fullmatch(NAME, directory.name) and "config.json" in names:
        yield State(directory, "damaged", reason="it has no result.json")
    begun = {match[1] for name in names if (match := _UNFINISHED.fullmatch(name))}
    for name in begun - names:
        yield _checked(directory / name, _unfinished)


def _checked(path: Path, state_of: Callable[[Path], State]) -> State:
    try:
        return state_of(path)
    except (OSError, ValueError, RecursionError, UserError) as error:
        reason = str(error).strip().partition("\n")[0]
        return State(path, "damaged", reason=reason[:_LONGEST])


def _finished(path: Path) -> State:
    run = read_run(path)
    word, accuracy = str(run.result["status"]), float(run.result["test_accuracy"])
    return State(path, word, len(run.epochs), run.config.epochs, accuracy)


def _unfinished(path: Path) -> State:
    live = growing.directory(path)
    held = is_held(path.with_name(f".{path.name}.lock"))
    state = State(path, "running" if held else "interrupted")
    if live.is_symlink():
        return state
    try:
        content = untrusted.read_bytes(live / "config.json")
        rows = untrusted.read_bytes(live / "epochs.csv")
    except FileNotFoundError:  # not yet, or no longer
        return state
    config = RunConfig.from_dict(untrusted.json_object("config.json", content))
    if config.run_id != path.name:
        raise ValueError(f"its config.json belongs to {config.run_id}")
    # A row that is incomplete, because of a kill for example, does not count.
    whole = rows[: rows.rfind(b"\n") + 1]
    epochs = untrusted.numbers("epochs.csv", whole, EPOCH_COLUMNS)
    last = len(epochs)
    if last > config.epochs or [*epochs["epoch"]] != [*range(1, last + 1)]:
        raise ValueError(f"epochs.csv does not count up to {config.epochs} epochs")
    if not epochs["test_accuracy"].between(0, 100).all():
        raise ValueError("epochs.csv: test_accuracy is not within 0 and 100")
    accuracy = float(epochs["test_accuracy"].iloc[-1]) if last else None
    return State(path, state.word, last, config.epochs, accuracy)
