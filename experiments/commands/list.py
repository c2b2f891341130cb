"""`list`: the runs and studies in a directory, and the state of each."""

import dataclasses
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from experiments.errors import UserError
from experiments.text import printable


@dataclasses.dataclass(frozen=True)
class Config:
    """List runs with their state, the epoch that they reached, and their accuracy.

    A run is finished, diverged, running, interrupted (--resume continues it), failed
    (with the error) or damaged (with the reason). Studies of `stability`, `spins` and
    `anneal` are listed with their finished parts. Nothing is written.
    """

    example: ClassVar[str] = "python -m experiments list runs"
    directories: Annotated[tuple[Path, ...], tyro.conf.Positional] = (Path("runs"),)
    """Directories to search, with everything below them."""


def run(config: Config) -> None:
    from experiments.runs import result_directory
    from experiments.runs.listing import states

    for root in config.directories:
        if not root.exists():
            raise UserError(f"{root} does not exist")
    with result_directory.reading(config.directories):
        found = {s.path: s for root in config.directories for s in states(root)}
        runs = list(found.values())
        studies = [line for root in config.directories for line in _studies(root)]
    if not runs and not studies:
        raise UserError(
            f"there is no run under {', '.join(map(str, config.directories))}"
        )
    for line in [*_lines(runs), *studies]:
        print(printable(line))


def _lines(runs: Sequence) -> Iterator[str]:
    """Directory by directory; on a narrow terminal, two lines per run."""
    wide = shutil.get_terminal_size().columns >= 80
    parent = None
    for state in runs:
        if state.path.parent != parent:
            parent = state.path.parent
            yield str(parent)
        reached = accuracy = ""
        if state.epoch is not None:
            reached = f"{state.epoch}/{state.epochs}"
        if state.accuracy is not None:
            accuracy = f"{state.accuracy:.2f}%"
        reason = f"  ({state.reason})" if state.reason else ""
        if wide:
            yield (
                f"  {state.word:<11}  {reached:>7}  {accuracy:>8}  {state.path.name}"
                f"{reason}"
            )
        else:
            epoch = f", epoch {reached}" if reached else ""
            yield f"  {state.path.name}"
            yield f"    {state.word}{epoch}{', ' * bool(accuracy)}{accuracy}{reason}"
    if runs:
        counts = Counter(state.word for state in runs)
        words = ", ".join(f"{count} {word}" for word, count in counts.items())
        yield f"{len(runs)} run{'s' * (len(runs) != 1)}: {words}"


def _studies(root: Path) -> Iterator[str]:
    from experiments.annealing import parts
    from experiments.annealing import rows as annealing
    from experiments.machine import untrusted
    from experiments.spins import rows as spins
    from experiments.stability import rows as stability

    for kind, finished, what in (
        (stability.STUDY, _cases, "cases"),
        (spins.STUDY, _parts, "parts"),
    ):
        for study in kind.below(root):
            try:
                known, lines = kind.known(study), list(finished(study))
            except UserError as error:
                yield f"{study}: {kind.name}, damaged ({error})"
                continue
            yield f"{study}: {kind.name}, {len(known)} {what}"
            yield from (f"  finished  {line}" for line in lines)
    interrupted = {
        directory.parent
        for directory in untrusted.directories_with("about.json", root)
        if directory.name == parts.FOLDER
    }
    for study in sorted({*annealing.studies(root), *interrupted}):
        yield f"{study}: study of the annealing methods, {_annealing(study)}"


def _cases(study: Path) -> Iterator[str]:
    from experiments.stability import rows

    for (task, optimizer, arm), part in rows.read(study).groupby(rows.KEYS, sort=False):
        yield (
            f"{task} {optimizer} {arm}: {part['seed'].nunique()} seeds at "
            f"{part['rate'].nunique()} rates, {part['collapsed'].sum()} of {len(part)} "
            f"collapsed"
        )


def _parts(study: Path) -> Iterator[str]:
    from experiments.spins import rows

    groups = {
        "tunnelling": "landscape",
        "tunnelling-again": "landscape",
        "search": "family",
        "speed": "program",
    }
    for part, found in rows.read(study).items():
        counts = found[groups[part]].value_counts(sort=False)
        each = ", ".join(f"{name} ({count})" for name, count in counts.items())
        yield f"{part}: {len(found)} rows, by {groups[part]}: {each}"


def _annealing(study: Path) -> str:
    from experiments.annealing import parts, rows

    if parts.interrupted(study):
        count = sum(1 for _ in (study / parts.FOLDER).glob("*.npz"))
        return f"interrupted, {count} parts measured (--resume continues it)"
    try:
        chains = rows.read_rows(study).chains
    except UserError as error:
        return f"damaged ({error})"
    return f"finished, {len(chains):,} chains"
