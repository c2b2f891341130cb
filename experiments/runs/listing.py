"""The runs in a directory, finished or not, and the state of each.

This writes nothing and trusts only consistent files. A finished run is read with all
checks. The state of an unfinished run comes from its growing rows, if their
configuration matches the directory's name.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.machine.locks import is_held
from experiments.runs import checks, growing
from experiments.runs.run_directory import EPOCH_COLUMNS, NAME, read_run
from experiments.text import printable

_UNFINISHED = re.compile(rf"\.({NAME})\.(work|live|lock)")
_LONGEST = 200  # characters of an error that are shown


class State(NamedTuple):
    """The state of a run.

    Attributes:
      path: of its directory, which exists once it is finished.
      word: finished, diverged, running, interrupted, failed, damaged.
      epoch: the last epoch with a test; None if unknown.
      epochs: of the whole run.
      accuracy: of that test, in percent.
      reason: why it failed, or what is damaged.
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
        yield _finished(directory)
    elif re.fullmatch(NAME, directory.name) and "config.json" in names:
        yield State(directory, "damaged", reason="it has no result.json")
    begun = {match[1] for name in names if (match := _UNFINISHED.fullmatch(name))}
    for name in begun - names:
        yield _unfinished(directory / name, names)


def _finished(path: Path) -> State:
    try:
        run = read_run(path)
    except UserError as error:
        return State(path, "damaged", reason=_short(error))
    accuracy, epochs = run.result["test_accuracy"], run.config.epochs
    word = str(run.result["status"])
    return State(path, word, len(run.epochs), epochs, float(accuracy))


def _unfinished(path: Path, names: set[str]) -> State:
    live, reason = growing.directory(path), ""
    word = "interrupted"
    if is_held(path.with_name(f".{path.name}.lock")):
        word = "running"
    if live.name not in names or live.is_symlink():
        return State(path, word)
    if word != "running" and (live / growing.FAILED).exists():
        word = "failed"
        try:
            content = untrusted.read_bytes(live / growing.FAILED)
            reason = _short(content.decode("utf-8", "replace"))
        except (OSError, ValueError) as error:
            reason = _short(error)
    try:
        config, epochs, accuracy = _progress(path.name, live)
    # Rows that do not exist yet, or no longer, are not damage.
    except FileNotFoundError:
        return State(path, word, reason=reason)
    except (OSError, ValueError, RecursionError, UserError) as error:
        return State(path, "damaged", reason=_short(error))
    return State(path, word, epochs, config.epochs, accuracy, reason)


def _progress(name: str, live: Path) -> tuple[RunConfig, int, float | None]:
    content = untrusted.read_bytes(live / "config.json")
    config = checks.config(untrusted.json_object("config.json", content))
    if config.run_id != name:
        raise ValueError(f"its config.json belongs to {config.run_id}")
    rows = untrusted.read_bytes(live / "epochs.csv")
    # A row that is incomplete, because of a kill for example, does not count.
    whole = rows[: rows.rfind(b"\n") + 1]
    epochs = untrusted.numbers("epochs.csv", whole, EPOCH_COLUMNS)
    if list(epochs["epoch"]) != list(range(1, len(epochs) + 1)):
        raise ValueError("epochs.csv: epoch does not count from 1")
    if len(epochs) > config.epochs:
        raise ValueError(f"epochs.csv has {len(epochs)} of {config.epochs} epochs")
    if not epochs["test_accuracy"].between(0, 100).all():
        raise ValueError("epochs.csv: test_accuracy is not within 0 and 100")
    last = float(epochs["test_accuracy"].iloc[-1]) if len(epochs) else None
    return config, len(epochs), last


def _short(reason: object) -> str:
    (line, *_) = [*str(reason).strip().splitlines(), ""]
    line = printable(line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
