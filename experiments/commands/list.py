"""`list`: the runs and studies in a directory, and the state of each."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from experiments.errors import UserError
from experiments.text import plural, printable


@dataclasses.dataclass(frozen=True)
class Config:
    """List runs with their state, the epoch that they reached, and their accuracy.

    A run is finished, diverged, running, interrupted (--resume continues it) or damaged
    (with the reason). Studies are listed with the states of their parts. Nothing is
    written.
    """

    example: ClassVar[str] = "python -m experiments list runs"
    directories: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Directories to search, with everything below them; by default, runs, and where
    the commands of studies write."""


def run(config: Config) -> None:
    from experiments.runs.listing import states
    from experiments.study import document, registry

    usual = [Path("runs"), *(study.out for study in registry.studies())]
    roots = config.directories or [root for root in usual if root.exists()]
    runs = list({run.path: run for root in roots for run in states(root)}.values())
    studies = {p: s for root in roots for p, s in document.below(root).items()}
    lines = [line for path in studies for line in document.lines(studies[path], path)]
    if not runs and not studies:
        raise UserError(
            f"there is no run or study under {', '.join(map(str, roots or usual))}"
        )
    for line in [*_lines(runs), *lines]:
        print(printable(line))


def _lines(runs: Sequence) -> Iterator[str]:
    """Directory by directory."""
    parent = None
    for state in runs:
        if state.path.parent != parent:
            parent = state.path.parent
            yield str(parent)
        reached = "" if state.epoch is None else f"epoch {state.epoch}/{state.epochs}"
        accuracy = "" if state.accuracy is None else f"{state.accuracy:.2f}%"
        reason = f"  ({state.reason})" if state.reason else ""
        line = f"{state.word:<11}  {reached:>13}  {accuracy:>8}  {state.path.name}"
        yield f"  {line}{reason}"
    if runs:
        counts = Counter(state.word for state in runs)
        words = ", ".join(f"{count} {word}" for word, count in counts.items())
        yield f"{len(runs)} {plural(len(runs), 'run')}: {words}"
