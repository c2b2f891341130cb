"""What may happen to files that a command reads: changes of a directory, by name.

A `Change` takes a directory (of a run, of a study) and damages something in it. `FILES`
replaces a whole file; the functions make changes within one.
"""

import gzip
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.machine.files import write_frame

Change = Callable[[Path], Any]
MARKUP = "<script>alert(1)</script>"
SECONDS = 20  # a hang is one of far longer

# What may be in the place of a file.
FILES: dict[str, Change] = {
    "pipe": os.mkfifo,
    "directory": Path.mkdir,
    "loop": lambda path: path.symlink_to(path.name),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "empty": Path.touch,
    "missing": lambda path: None,
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe{}\n"),
}
# What a JSON file may hold.
JSON = {
    "a list": b"[]",
    "a number": b"1e999",
    "deep": b'{"a":' * 100_000,
    "long number": b'{"seed": ' + b"9" * 5000 + b"}",
    "BOM": b"\xef\xbb\xbf{}",
}


def replaced(name: str, make: Change) -> Change:
    """Another thing in the place of a file."""

    def change(directory: Path) -> None:
        (directory / name).unlink()
        make(directory / name)

    return change


def with_content(name: str, content: bytes) -> Change:
    return lambda directory: (directory / name).write_bytes(content)


def cut(name: str, share: float) -> Change:
    """The first part of a file."""

    def change(directory: Path) -> None:
        content = (directory / name).read_bytes()
        (directory / name).write_bytes(content[: int(len(content) * share)])

    return change


def with_byte_flipped(name: str) -> Change:
    def change(directory: Path) -> None:
        content = bytearray((directory / name).read_bytes())
        content[len(content) // 3] ^= 1
        (directory / name).write_bytes(content)

    return change


def edited(name: str, old: str, new: str) -> Change:
    """A text replaced once, in a file that may be compressed."""

    def change(directory: Path) -> None:
        packed = name.endswith(".gz")
        content = (directory / name).read_bytes()
        text = (gzip.decompress(content) if packed else content).decode()
        assert old in text
        content = text.replace(old, new, 1).encode()
        (directory / name).write_bytes(gzip.compress(content) if packed else content)

    return change


def with_values(name: str, **values: Any) -> Change:
    """Other values in the object of a JSON file."""

    def change(directory: Path) -> None:
        path = directory / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def without_key(name: str, key: str) -> Change:
    def change(directory: Path) -> None:
        values = json.loads((directory / name).read_text())
        del values[key]
        (directory / name).write_text(json.dumps(values))

    return change


def with_frame(name: str, of: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    """Other rows or columns in a CSV file, which may be compressed."""

    def change(directory: Path) -> None:
        frame = of(pd.read_csv(directory / name))
        write_frame(frame, directory / name, name)

    return change


def renamed(change: Change, name: str) -> Change:
    """The directory under another name, too."""

    def both(directory: Path) -> None:
        change(directory)
        directory.rename(directory.with_name(name))

    return both


def in_time(work: Callable[[], Any]) -> Any:
    """What `work` returns; a failure where it takes too long or raises."""
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(work()), daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), "it hangs"
    assert done, "it raised"
    return done[0]
