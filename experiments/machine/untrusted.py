"""Reading files that anybody may have written.

Nothing here hangs on a pipe, unpickles, or decompresses without a limit. A faulty file
raises an OSError or a ValueError that names it.
"""

import contextlib
import csv
import gzip
import io
import json
import os
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import UserError
from experiments.text import printable

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 2**30  # bytes of a file, decompressed


def leave_out(reason: object) -> None:
    """Print on stderr what is skipped, and why."""
    print(f"left out: {printable(reason)}", file=sys.stderr)


def directories(
    root: Path, skip: Sequence[str] = (), say: Callable[[object], None] = leave_out
) -> Iterator[tuple[Path, set[str]]]:
    """The directories at or below `root`, each with the names in it.

    Links are not followed; hidden directories and those named in `skip` are not
    entered. An unreadable directory is skipped, and `say` gets the error.

    Raises:
      UserError: there is no `root`.
    """
    if not root.exists():
        raise UserError(f"{root} does not exist")
    for directory, inside, files in os.walk(root, onerror=say):
        yield Path(directory), {*inside, *files}
        inside[:] = [n for n in inside if not n.startswith(".") and n not in skip]


def directories_with(
    name: str,
    root: Path,
    skip: Sequence[str] = (),
    say: Callable[[object], None] = leave_out,
) -> Iterator[Path]:
    """Those of `directories` that hold an entry of this name."""
    for directory, names in directories(root, (*skip, name), say):
        if name in names:
            yield directory


def read_bytes(path: Path) -> bytes:
    """The content of a regular file, decompressed if its name ends in .gz."""
    if not S_ISREG(path.stat().st_mode):  # reading a pipe would block
        raise ValueError(f"{path.name} is not a regular file")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            content = file.read(LIMIT + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path.name}: {error}") from error
    if len(content) > LIMIT:
        raise ValueError(f"{path.name} has more than {LIMIT:,} bytes")
    return content


@contextlib.contextmanager
def _parsing(name: str) -> Iterator[None]:
    """Whatever a parser raises becomes a ValueError that names the file."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{name}: {str(error).strip()}") from error


def json_object(name: str, content: bytes) -> dict[str, Any]:
    """The object in a JSON file."""
    with _parsing(name):
        value = json.loads(content.decode())
    if not isinstance(value, dict):
        raise ValueError(f"{name} contains no JSON object")
    return value


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

    if not content.endswith(b"\n"):
        raise ValueError(f"{name} ends within a line")
    types: dict[Any, Any] = dict.fromkeys(columns, float) | dict.fromkeys(texts, str)
    with _parsing(name), warnings.catch_warnings():
        warnings.simplefilter("error")  # pandas drops extra cells in a line
        text = io.StringIO(content.decode())
        frame = pd.read_csv(text, dtype=types, index_col=False)
    if missing := [column for column in types if column not in frame]:
        raise ValueError(f"{name} has no column {', '.join(missing)}")
    return frame[[*types]]


def records(name: str, content: bytes) -> list[dict[str, str]]:
    """A CSV file's rows, every cell as its text."""
    with _parsing(name):
        header, *rows = csv.reader(io.StringIO(content.decode()), strict=True)
        return [dict(zip(header, row, strict=True)) for row in rows]


def arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, never anything pickled.

    Raises:
      OSError, ValueError: the file cannot be read, or has other content.
    """
    content = io.BytesIO(read_bytes(path))
    try:
        with np.load(content, allow_pickle=False) as archive:
            if sum(info.file_size for info in archive.zip.infolist()) > LIMIT:
                raise ValueError(f"{path.name} has more than {LIMIT:,} bytes")
            by_name = {name: archive[name] for name in archive.files}
            if all(isinstance(array, np.ndarray) for array in by_name.values()):
                return by_name
    # With damaged bytes, NumPy and zipfile raise errors that have no common type, and
    # NumPy's own message would advise allowing pickles.
    except Exception as error:
        raise ValueError(f"{path.name} is not an .npz file of arrays") from error
    raise ValueError(f"{path.name} contains something other than arrays")
