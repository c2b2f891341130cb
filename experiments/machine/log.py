"""The log of a result directory: the lines that the terminal showed, with their times.

A process has one log, as it has one terminal. What is said before the result directory
is known is kept until then. Each line is appended in one write as it is said, so that a
kill loses none, and processes that share a directory share its log.
"""

import contextlib
import datetime
import os
from pathlib import Path

from experiments.text import printable

FILE = "log.txt"


class Log:
    """Lines for a file that may not be known yet."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._file: int | None = None
        self._began = _now()

    def write(self, text: str) -> None:
        """Append a text, the time ahead of each of its lines.

        A log that cannot be written to, on a full disk for example, is left as it is:
        it must not end the work that it tells of.
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
        """Append to this file from now on, in place of another one.

        Args:
          first: a text ahead of what has been said already.
        """
        waiting, began = self._waiting, self._began
        self.close()
        with contextlib.suppress(OSError):
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._waiting = [*_lines(first, began), *waiting]
        self._append()

    def close(self) -> None:
        """Forget the file, and what waits for one; a new command begins."""
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
    print(text, flush=True)
