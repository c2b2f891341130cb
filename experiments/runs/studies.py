"""Studies that are measured part by part: their rows, their origin, their pace.

A part has files of rows and an entry in the study's index, a JSON file that has the
seconds, machine, versions, commit and command of each part.
"""

import contextlib
import dataclasses
import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import text
from experiments.errors import UserError
from experiments.machine import files, untrusted
from experiments.machine.locks import locked
from experiments.runs import checks, provenance
from experiments.runs.remaining import in_words

if TYPE_CHECKING:
    import pandas as pd

LOCK = ".study.lock"  # held while the index is written


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of study.

    Attributes:
      name: such as "stability study".
      index: the name of the index.
      committed: the study of this kind in results/.
    """

    name: str
    index: str
    committed: Path

    def write(
        self,
        out: Path,
        part: str,
        about: Mapping[str, Any],
        frames: Mapping[str, "pd.DataFrame"],
    ) -> None:
        """Write a part; once the last of its files exists, it is finished.

        Args:
          part, about: for the index.
          frames: rows by file, relative to `out`.
        """
        out.mkdir(parents=True, exist_ok=True)
        # Another command may be measuring other parts of the study.
        with locked(out / LOCK, waits=lambda: None):
            known = json.dumps(self.known(out) | {part: about}, indent=1)
            files.write_text(out / self.index, known + "\n")
        for name, frame in frames.items():
            path = out / name
            path.parent.mkdir(exist_ok=True)
            with files.replacing(path) as being_written:
                files.write_frame(frame, being_written, path.name, float_format="%.6g")

    def prepare(self, out: Path) -> None:
        """Create the directory, before anything is measured.

        Raises:
          UserError: it cannot be created or written to.
        """
        try:
            out.mkdir(parents=True, exist_ok=True)
            with locked(out / LOCK, waits=lambda: None):
                pass
        except OSError as error:
            raise UserError(f"cannot write a {self.name} to {out}: {error}") from error

    def missing(self, out: Path, last: Mapping[str, str]) -> list[str]:
        """The parts that the study lacks, of those whose last files are given.

        Raises:
          UserError: the index is damaged.
        """
        known = self.known(out)
        return [
            part
            for part, name in last.items()
            if part not in known or not (out / name).exists()
        ]

    def known(self, out: Path) -> dict[str, Any]:
        """The index, with an entry per part; empty without a study.

        Raises:
          UserError: the index is damaged.
        """
        if not (out / self.index).exists():
            return {}
        try:
            content = untrusted.read_bytes(out / self.index)
            found = untrusted.json_object(self.index, content)
            return {part: checks.meta(about) for part, about in found.items()}
        except (OSError, ValueError, AttributeError) as error:
            raise UserError(
                f"{out} does not contain an intact {self.name}: {error}"
            ) from error

    @contextlib.contextmanager
    def reading(self, out: Path) -> Iterator[None]:
        """Turns errors while reading rows of `out` into UserErrors."""
        try:
            yield
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{out} does not contain the rows of a {self.name}: {error}"
            ) from error

    def below(self, root: Path) -> list[Path]:
        """The studies at or below a directory, by name."""
        return sorted(untrusted.directories_with(self.index, root))

    def time(
        self,
        amounts: Mapping[str, float],
        out: Path,
        finished: Callable[[Path], Mapping[str, tuple[str, float]]],
    ) -> str:
        """How long something takes, at the pace of the finished parts in `out`.

        If these do not tell, at the pace of the committed study.

        Args:
          amounts: how much work of each sort there is.
          finished: the sort and the amount of each finished part of a study; raises
            UserError if there is none.
        """
        for study in (out, self.committed):
            try:
                paces = _paces(self.known(study), finished(study))
            except UserError:
                continue
            if amounts.keys() <= paces.keys():
                seconds = sum(n * paces[sort][0] for sort, n in amounts.items())
                machines = dict.fromkeys(paces[sort][1] for sort in amounts)
                of = f"of results/{study.name} ({'; '.join(machines)})"
                at = "here" if study == out else of
                return f"{in_words(seconds)}, at the pace of the finished parts {at}"
        return "the time is not known until some of it is finished"


def _paces(
    known: Mapping[str, Mapping[str, Any]], finished: Mapping[str, tuple[str, float]]
) -> dict[str, tuple[float, str]]:
    """The seconds per unit of each sort, on the machine with the most parts of it."""
    found: dict[str, dict[str, list[float]]] = {}
    for part, (sort, amount) in finished.items():
        seconds = known[part].get("seconds")
        if isinstance(seconds, int | float) and seconds > 0:
            machines = found.setdefault(sort, {})
            where = provenance.device(known[part])
            machines.setdefault(where, []).append(seconds / amount)
    paces = {}
    for sort, machines in found.items():
        where = max(machines, key=lambda machine: len(machines[machine]))
        paces[sort] = statistics.fmean(machines[where]), where
    return paces


def origin(known: Mapping[str, Mapping[str, Any]]) -> str:
    """A study's commands, machines and time as Markdown, from its index."""
    commands = dict.fromkeys(str(about["command"]) for about in known.values())
    where = dict.fromkeys(
        text.markdown(provenance.in_words(about)) for about in known.values()
    )
    seconds = sum(float(about.get("seconds") or 0) for about in known.values())
    return (
        f"{text.code_block(list(commands))}\n"
        f"Run on: {'; '.join(where)}; {seconds / 60:.0f} minutes in total.\n"
    )
