"""Reading files that anybody may have written.

Nothing here hangs on a pipe, unpickles, or decompresses without a limit. A faulty file
raises an OSError or a ValueError that names it.
"""

import csv
import gzip
import io
import json
import os
import stat
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.text import printable

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 2**30  # bytes of a file, decompressed


def directories(
    root: Path,
    skip: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> Iterator[tuple[Path, "list[os.DirEntry[str]]"]]:
    """The directories at or below `root`, each with its entries.

    Links are not followed; hidden directories and those named in `skip` are not
    entered. An unreadable directory is skipped, and `say` (by default, stderr) gets a
    line about it.
    """
    say = say or leave_out
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        try:
            entries = list(os.scandir(directory))
        except OSError as error:
            say(str(error))
            continue
        yield directory, entries
        waiting += [
            Path(entry.path)
            for entry in entries
            if entry.is_dir(follow_symlinks=False)
            and not entry.name.startswith(".")
            and entry.name not in skip
        ]


def directories_with(
    name: str,
    root: Path,
    skip: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> Iterator[Path]:
    """Those of `directories` that hold an entry of this name."""
    for directory, entries in directories(root, (*skip, name), say):
        if any(entry.name == name for entry in entries):
            yield directory


def leave_out(reason: str) -> None:
    """Print on stderr what is skipped, and why."""
    print(f"left out: {printable(reason)}", file=sys.stderr)


def read_bytes(path: Path) -> bytes:
    """The content of a regular file, decompressed if its name ends in .gz."""
    # Opening a pipe that nobody writes to would block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{path.name} is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(LIMIT + 1)
    finally:
        os.close(descriptor)
    if path.suffix == ".gz":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(LIMIT + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path.name}: {error}") from error
    if len(content) > LIMIT:
        raise ValueError(f"{path.name} has more than {LIMIT:,} bytes")
    return content


def json_object(name: str, content: bytes) -> dict[str, Any]:
    """The object in a JSON file; duplicate keys are rejected."""
    try:
        value = json.loads(_text(name, content), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{name} contains no JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def numbers(
    name: str, content: bytes, columns: Sequence[str], texts: Sequence[str] = ()
) -> "pd.DataFrame":
    """A CSV file's columns of numbers; empty cells are NaN.

    Args:
      name, content: of the file.
      columns: the required columns, floats; others are dropped.
      texts: further columns, of text.
    """
    import pandas as pd

    text = _text(name, content)
    if not text.endswith("\n"):
        raise ValueError(f"{name} ends within a line")
    types: dict[Any, Any] = dict.fromkeys(columns, float) | dict.fromkeys(texts, str)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pandas drops extra cells in a line
            frame = pd.read_csv(io.StringIO(text), dtype=types, index_col=False)
    except (ValueError, Warning) as error:
        raise ValueError(f"{name}: {error}") from error
    wanted = [*columns, *texts]
    if missing := [column for column in wanted if column not in frame]:
        raise ValueError(f"{name} has no column {', '.join(missing)}")
    return frame[wanted]


def check_known(
    name: str, frame: "pd.DataFrame", known: Mapping[str, Iterable[Any]]
) -> None:
    """Raise ValueError if a column has an unknown value.

    Args:
      name: of the file.
      frame: its rows.
      known: values by column; a column that the rows lack is skipped.
    """
    for column in known.keys() & set(frame):
        if not frame[column].isin(list(known[column])).all():
            raise ValueError(f"{name}: {column} has an unknown value")


def records(name: str, content: bytes) -> list[dict[str, str]]:
    """A CSV file's rows, every cell as its text."""
    try:
        reader = csv.DictReader(io.StringIO(_text(name, content)), strict=True)
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(f"{name}: {error}") from error
    columns = reader.fieldnames or []
    if len(set(columns)) < len(columns):
        raise ValueError(f"{name} has a column twice")
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(f"{name}: a row has more or fewer cells than the header")
    return rows


def arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, never anything pickled.

    Raises:
      OSError, ValueError: the file cannot be read, or has other content.
    """
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except OSError:
        raise
    # With damaged bytes, NumPy and zipfile raise errors that have no common type, and
    # NumPy's own message would advise allowing pickles.
    except Exception as error:
        raise ValueError(f"{path.name} is not an .npz file of arrays") from error
    if not all(isinstance(array, np.ndarray) for array in found.values()):
        raise ValueError(f"{path.name} contains something other than arrays")
    return found


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8: {error}") from error
