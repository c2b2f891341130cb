"""A study's directory: its index, rows of finished parts, pieces of unfinished ones.

INDEX            what the study is, and an entry for each finished part
files            a part's tables, written before its entry
parts/PART/*.npz what an interrupted attempt at a part has measured
.PART.lock       held by the command that measures the part
"""

import contextlib
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError
from experiments.machine import files, untrusted
from experiments.machine.locks import is_held, locked
from experiments.runs import checks
from experiments.study.record import Column, Frames, Index, Rows, Study, Table

if TYPE_CHECKING:
    import pandas as pd

LOCK = ".study.lock"  # held while the index is written
COMMAND = "command-"  # a lock that a command holds all the while
PIECES = "parts"
RECORD = "study"  # the index's entry about the study itself


# --- reading ---


def index(study: Study, out: Path) -> Index:
    """The index; empty without a study.

    Raises:
      UserError: it is damaged as a whole.
    """
    if not (out / study.index).exists():
        return Index({}, {}, {})
    try:
        content = untrusted.read_bytes(out / study.index)
        entries = untrusted.json_object(study.index, content)
        record = _mapping(entries.pop(RECORD, {}))
        if record.get("kind", study.name) != study.name:
            raise ValueError(f"{study.index} is of another kind of study")
        record["options"] = _mapping(record.get("options", {}))
        record["jax"] = _mapping(record.get("jax", {}))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{out} does not contain the rows of a {study.name}: {error}"
        ) from error
    sound, damaged = {}, {}
    for part, about in entries.items():
        try:
            study.tables(part)
            sound[part] = checks.meta(_mapping(about))
            seconds = sound[part].get("seconds", 0.0)
            if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
                raise ValueError(f"seconds of {part} cannot be {seconds!r}")
        except (LookupError, ValueError, TypeError) as error:
            sound.pop(part, None)
            damaged[part] = f"{study.index}: {error}"
    return Index(record, sound, damaged)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.60} is no JSON object")
    return value


def read(study: Study, out: Path) -> Rows:
    """The rows of all finished parts.

    Raises:
      UserError: there is none, or a file or entry is damaged, missing, or another's.
    """
    content, rows = index(study, out), {}
    try:
        for reason in content.damaged.values():
            raise ValueError(reason)
        for part, about in content.parts.items():
            rows[part] = rows_of(study, out, part, about)
        if not rows:
            raise ValueError("no part is finished")
        study.check(rows)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{out} does not contain the rows of a {study.name}: {error}; --resume "
            f"measures the {study.noun}s that are missing or damaged"
        ) from error
    return rows


def rows_of(
    study: Study, out: Path, part: str, about: dict[str, Any]
) -> dict[str, "pd.DataFrame"]:
    """A finished part's rows, by table; raises OSError or ValueError."""
    digests = _mapping(about.get("files", {}))
    return {
        name: _frame(out / table.file, table, digests.get(table.file))
        for name, table in study.tables(part).items()
    }


def _frame(path: Path, table: Table, digest: object) -> "pd.DataFrame":
    content, columns = untrusted.read_bytes(path), table.columns
    if digest not in (None, hashlib.sha256(content).hexdigest()):
        raise ValueError(f"{table.file} has changed since it was written")
    numbers = [name for name, column in columns.items() if column.choices is None]
    texts = [name for name in columns if name not in numbers]
    frame = untrusted.numbers(table.file, content, numbers, texts)
    check(table, frame)
    for name in numbers:
        if columns[name].whole and not columns[name].empty:
            frame[name] = frame[name].astype(int)
    return frame


def check(table: Table, frame: "pd.DataFrame") -> None:
    """Raise ValueError if rows are not those of a table."""
    if frame.empty:
        raise ValueError(f"{table.file} has no rows")
    for name, column in table.columns.items():
        if name not in frame:
            raise ValueError(f"{table.file} has no column {name}")
        fits = _fits(frame[name], column)
        if not fits.all():
            place = int(fits.argmin())
            value = frame[name].tolist()[place]
            raise ValueError(
                f"{_line(table, place)}: {name} is {value!r:.60}, not {column}"
            )
    keys = list(table.keys)
    if keys and (again := frame.duplicated(keys)).any():
        place = int(again.argmax())
        row = ", ".join(f"{key} {frame[key].iloc[place]}" for key in keys)
        raise ValueError(f"{_line(table, place)} is another row of {row}")
    if table.check is not None:
        try:
            table.check(frame)
        except ValueError as error:
            raise ValueError(f"{table.file}: {error}") from error


def _line(table: Table, place: int) -> str:
    return f"{table.file}, line {place + 2}"  # the first line has the columns' names


def _fits(values: "pd.Series", column: Column) -> "pd.Series":
    if column.choices is not None:
        fits = values.map(lambda value: value in column.choices)
    else:
        fits = values.between(column.low, column.high)
        if column.whole:
            fits &= values % 1 == 0
    return fits | values.isna() if column.empty else fits


def unfinished(study: Study, out: Path, parts: Iterable[str]) -> dict[str, str]:
    """Those of these parts that the study lacks, in order, and what is wrong with each.

    The reason is empty for a part that was never finished.
    """
    content, lacking = index(study, out), {}
    for part in parts:
        if part in content.parts:
            try:
                rows_of(study, out, part, content.parts[part])
            except (OSError, ValueError) as error:
                lacking[part] = str(error)
        else:
            lacking[part] = content.damaged.get(part, "")
    return lacking


def lock(out: Path, part: str) -> Path:
    return out / f".{part}.lock"


def running(out: Path) -> list[str]:
    """The parts that a command is measuring now."""
    locks = [path for path in sorted(out.glob(".*.lock")) if is_held(path)]
    names = [path.name[1:-5] for path in locks]
    return [name for name in names if name != "study" and not name.startswith(COMMAND)]


def interrupted(out: Path) -> Mapping[str, int]:
    """How many pieces an interrupted attempt has left of each part."""
    return Counter(path.parent.name for path in pieces(out))


def pieces(out: Path) -> list[Path]:
    return sorted((out / PIECES).glob("*/*.npz"))


def below(study: Study, root: Path) -> list[Path]:
    """The studies of this kind at or below a directory, by name."""
    named = untrusted.directories_with(study.index, root)
    return sorted(path for path in named if path.name != PIECES)


# --- writing ---


@contextlib.contextmanager
def index_locked(out: Path) -> Iterator[None]:
    with locked(out / LOCK, waits=lambda: None):
        yield


def entries_of(study: Study, out: Path) -> dict[str, Any]:
    if not (out / study.index).exists():
        return {}
    content = untrusted.read_bytes(out / study.index)
    return untrusted.json_object(study.index, content)


def files_of(study: Study, out: Path) -> list[Path]:
    with contextlib.suppress(UserError):
        tables = [study.tables(part) for part in index(study, out).parts]
        return [out / table.file for of in tables for table in of.values()]
    return []


def write_index(study: Study, out: Path, entries: dict[str, Any]) -> None:
    files.write_text(out / study.index, json.dumps(entries, indent=1) + "\n")


def write(
    study: Study, out: Path, id_: str, part: str, about: dict[str, Any], frames: Frames
) -> None:
    """Write a part; once its entry is in the index, it is finished.

    Raises:
      UserError: another command has replaced the study.
    """
    tables, digests = study.tables(part), {}
    if frames.keys() != tables.keys():
        raise ValueError(
            f"measuring {part} gave the tables {_names(frames)}; the {study.name} "
            f"declares {_names(tables)}"
        )
    with index_locked(out):
        entries = entries_of(study, out)
        if entries.get(RECORD, {}).get("id") != id_:
            raise UserError(f"another command has replaced the {study.name} in {out}")
        for name, table in tables.items():
            path = out / table.file
            path.parent.mkdir(exist_ok=True)
            with files.replacing(path) as being_written:
                files.write_frame(
                    frames[name], being_written, path.name, float_format="%.6g"
                )
            content = untrusted.read_bytes(path)
            digests[table.file] = hashlib.sha256(content).hexdigest()
        # What is written can be read.
        rows_of(study, out, part, {"files": digests})
        write_index(study, out, entries | {part: about | {"files": digests}})


def _names(tables: Iterable[str]) -> str:
    return ", ".join(map(repr, tables)) or "(none)"
