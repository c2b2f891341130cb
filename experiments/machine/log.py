"""The log of a result directory: the lines that the terminal showed, with their times.

Tables have the width of `present`, whatever the terminal's.

A process has one log, as it has one terminal. Lines printed before the result directory
is known are kept until then. Each text is appended as it is printed, so a kill loses
none. Processes that share a directory share its log.
"""

import contextlib
import datetime
import logging
import logging.handlers
import sys
from pathlib import Path
from typing import TextIO

from experiments.text import printable

FILE = "log.txt"
LOG = logging.getLogger("experiments")
LOG.setLevel(logging.INFO)
LOG.propagate = False


class _Lines(logging.Formatter):
    """The time before each line of a text."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.datetime.fromtimestamp(record.created).astimezone()
        lines = [printable(line) for line in record.getMessage().splitlines()]
        stamp = when.isoformat(" ", "seconds")
        return "\n".join(f"{stamp}  {line}".rstrip() for line in lines)


class _File(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """On a full disk, the work continues without its log."""


def begin() -> None:
    """For a new command: keep lines in memory until `keep` names a file."""
    end()
    LOG.addHandler(logging.handlers.MemoryHandler(sys.maxsize, sys.maxsize))


def keep(path: Path, first: str) -> None:
    """Append a text, the lines kept so far, and all others from now on to this file.

    If it cannot be written, for example on a full disk, lines are dropped: the log must
    not end the work that it records.
    """
    waiting = [
        record
        for handler in LOG.handlers
        if isinstance(handler, logging.handlers.MemoryHandler)
        for record in handler.buffer
    ]
    command = logging.makeLogRecord({"msg": first})
    if waiting:
        command.created = waiting[0].created
    end()
    with contextlib.suppress(OSError):
        file = _File(path, encoding="utf-8", errors="replace")
        file.setFormatter(_Lines())
        for record in (command, *waiting):
            file.handle(record)
        LOG.addHandler(file)


def end() -> None:
    """Forget the file and any pending lines."""
    for handler in list(LOG.handlers):
        LOG.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()


def say(text: str) -> None:
    """Print a text on standard output, and write it to the log."""
    LOG.info(text)
    show(text)


def show(text: str, stream: TextIO | None = None) -> None:
    """Print a line in one write; by default, on standard output.

    With PYTHONUNBUFFERED, print writes the end of the line separately, and lines of
    processes that share a terminal would run into each other.
    """
    print(f"{text}\n", end="", file=stream, flush=True)
