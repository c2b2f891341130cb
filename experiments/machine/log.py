"""The log of a result directory: the lines that the terminal showed, with their times.

A process has one log, as it has one terminal. Lines printed before the result directory
is known are kept until then. Each line is appended in one write as it is printed, so a
kill loses none. Processes that share a directory share its log.
"""

import contextlib
import datetime
import os
from pathlib import Path
from typing import TextIO

from experiments.text import printable

FILE = "log.txt"


class Log:
    """Lines for a file that may not be known yet."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._file: int | None = None
        self._began = _now()

    def write(self, text: str) -> None:
        """Append a text, with the time before each of its lines.

        If the log cannot be written, for example on a full disk, the line is dropped:
        the log must not end the work that it records.
        """
        self._waiting += _lines(text, _now())
        self._append()

    def _append(self) -> None:
        if self._file is not None:
            whole = "".join(self._waiting).encode("utf-8", "replace")
            self._waiting.clear()
            with contextlib.suppress(OSError):
                os.write(self._file, whole)

    def keep(self, path: Path, first: str = "") -> None:
        """Append to this file from now on, instead of to another one.

        Args:
          first: a text to write before the lines printed so far.
        """
        waiting, began = self._waiting, self._began
        self.close()
        with contextlib.suppress(OSError):
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._waiting = [*_lines(first, began), *waiting]
        self._append()

    def close(self) -> None:
        """Forget the file and any pending lines, for a new command."""
        self._waiting, self._began = [], _now()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(" ", "seconds")


def _lines(text: str, now: str) -> list[str]:
    return [f"{now}  {printable(line)}".rstrip() + "\n" for line in text.splitlines()]


LOG = Log()


def say(text: str) -> None:
    """Print a text on standard output, and write it to the log."""
    LOG.write(text)
    show(text)


def show(text: str, stream: TextIO | None = None) -> None:
    """Print a line in one write; by default, on standard output.

    With PYTHONUNBUFFERED, print writes the end of the line separately, and lines of
    processes that share a terminal would run into each other.
    """
    print(f"{text}\n", end="", file=stream, flush=True)
