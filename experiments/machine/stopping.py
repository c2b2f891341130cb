"""Stopping in time: a time budget, signals, a closed output.

Between two steps, a command asks its `Stop` whether to save and exit. SIGINT (Ctrl-C),
SIGTERM and SIGHUP (a closed terminal) are requests to do so, and so is an output that
nobody reads anymore. A second Ctrl-C ends the process at once. While a command starts
up or draws, the first does.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

from experiments.machine.log import LOG, show

BUDGET_SPENT = 75  # EX_TEMPFAIL of sysexits.h: run the command again to continue
OUTPUT_CLOSED = 128 + signal.SIGPIPE
INTERRUPTED = 128 + signal.SIGINT
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# `timeout`, `uv run` and some job schedulers send a signal twice, to the process and to
# its group. Within this time, both are one request.
ONE_REQUEST = 0.1  # seconds
SHOW_CURSOR = b"\x1b[?25h"


class Stopped(Exception):
    """Raised between two runs, or by a run that has saved a checkpoint."""

    def __init__(self, reason: str, status: int):
        super().__init__(reason)
        self.status = status  # of the command


class Stop:
    """Tells whether to stop now, and why.

    Args:
      minutes: the time budget; None for no limit.
      saves: what is done before the command ends, in words.

    Attributes:
      requested: what to raise after a request to stop; None before one.
    """

    def __init__(
        self,
        minutes: float | None = None,
        saves: str = "finishing this step or test, then saving a checkpoint",
    ):
        self._saves = saves
        self.deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self.requested: Stopped | None = None
        self._heard = self._answered = False

    def __call__(self) -> bool:
        return self.requested is not None or (
            self.deadline is not None and time.monotonic() >= self.deadline
        )

    def stopped(self) -> Stopped:
        """The exception to raise once everything is saved."""
        return self.requested or Stopped("the time budget is spent", BUDGET_SPENT)

    def output_failed(self, error: OSError) -> None:
        """Stop because standard output cannot be written to; write no more to it."""
        if self.requested is None:
            reason = f"stopped because its output is closed ({error.strerror})"
            self.requested = Stopped(reason, OUTPUT_CLOSED)
        mute(sys.stdout)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Treat SIGTERM, SIGINT and SIGHUP as requests to stop.

        They are answered when the step or the compilation at work is done. An ignored
        SIGHUP stays ignored, as under nohup. Outside the main thread, Python hears no
        signals: they go to the program around the command.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {
            number: signal.signal(number, self._request)
            for number in SIGNALS
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _request(self, number: int, frame: object) -> None:
        if not self._heard:
            self._heard = True
            name = signal.Signals(number).name
            if self.requested is None:
                self.requested = Stopped(f"stopped by {name}", 128 + number)
            tell(f"{name}: {self._saves}; Ctrl-C (again) stops at once")
            # A second signal of the same request arrives now, not in the next step.
            time.sleep(ONE_REQUEST)
            self._answered = True
        elif number == signal.SIGINT and self._answered:
            end_at_once()


def end_at_once(*_: object) -> None:
    """End the process, as a kill would, with the status of Ctrl-C."""
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), SHOW_CURSOR)  # which a progress bar has hidden
    tell("interrupted")
    os._exit(INTERRUPTED)


def tell(text: str) -> None:
    """Print a line on standard error, if it is open, and in the log."""
    LOG.info(text)
    try:
        show(text, sys.stderr)
    except OSError:
        mute(sys.stderr)


def own_process() -> None:
    """For a process that only runs a command: Ctrl-C ends it at once.

    In imports and callbacks, KeyboardInterrupt may be discarded or crash C code.
    """
    signal.signal(signal.SIGINT, end_at_once)


def mute(stream: object) -> None:
    """Discard a stream's buffer, and everything written to it from now on."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]
        os.close(nowhere)
