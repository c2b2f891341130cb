"""Stopping in time: a time budget, signals, a closed output.

Between two steps, a command asks its `Stop` whether to save and exit. SIGINT (Ctrl-C),
SIGTERM and SIGHUP (a closed terminal) are requests to do so, and so is an output that
nobody reads anymore. A second Ctrl-C ends the process at once. While a command starts
up or draws, the first does.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from experiments.machine.log import LOG, show

BUDGET_SPENT = 75  # EX_TEMPFAIL of sysexits.h: run the command again to continue
OUTPUT_CLOSED = 128 + signal.SIGPIPE
INTERRUPTED = 128 + signal.SIGINT

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# `timeout`, `uv run` and some job schedulers send a signal twice: to the process, and
# to its group.
ONE_REQUEST = 0.2  # seconds
SWALLOWED = 0.05  # seconds until an interrupt that was swallowed is repeated
PROGRAMS = ("experiments.__main__", "benchmarks.__main__")
IMPORTING = "<frozen importlib._bootstrap>"
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
    """

    def __init__(
        self,
        minutes: float | None = None,
        saves: str = "finishing this step or test, then saving a checkpoint",
    ):
        self._saves = saves
        self.deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._requested: Stopped | None = None

    def __call__(self) -> bool:
        return self._requested is not None or (
            self.deadline is not None and time.monotonic() >= self.deadline
        )

    def stopped(self) -> Stopped:
        """The exception to raise once everything is saved."""
        return self._requested or Stopped("the time budget is spent", BUDGET_SPENT)

    @contextmanager
    def taking(self, errors: type[Exception]) -> Iterator[None]:
        """Treat such an error after a signal as the stop that the signal requested.

        SIGTERM may kill JAX's compiler, a child process, before the step finishes.
        """
        try:
            yield
        except errors as error:
            if self._requested is None:
                raise
            raise self._requested from error

    def output_failed(self, error: OSError) -> None:
        """Stop because standard output cannot be written to; write no more to it."""
        if self._requested is None:
            reason = f"stopped because its output is closed ({error.strerror})"
            self._requested = Stopped(reason, OUTPUT_CLOSED)
        mute(sys.stdout)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Treat SIGTERM, SIGINT and SIGHUP as requests to stop.

        A second SIGINT ends the process. An ignored SIGHUP stays ignored, as under
        nohup. Outside the main thread, Python hears no signals: they go to the program
        around the command.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def request(number: int, frame: object) -> None:
            self._request(number)

        # While the main thread runs a step or compiles, Python does not call handlers.
        # This thread knows at once that there was a signal, and when.
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        thread = threading.Thread(target=self._answer, args=(reading,), daemon=True)
        thread.start()
        waking = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        previous = {
            number: signal.signal(number, request)
            for number in SIGNALS
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(waking)
            os.close(writing)
            thread.join()
            os.close(reading)

    def _request(self, number: int) -> None:
        if self._requested is None:
            name = signal.Signals(number).name
            self._requested = Stopped(f"stopped by {name}", 128 + number)

    def _answer(self, reading: int) -> None:
        """Acknowledge the first signal, and obey a second Ctrl-C."""
        answered, interrupted = False, None
        while numbers := os.read(reading, 1):
            number, now = numbers[0], time.monotonic()
            if number not in SIGNALS:
                continue
            self._request(number)
            if number == signal.SIGINT:
                interrupted = interrupted or now
                if now - interrupted > ONE_REQUEST:
                    _end_at_once()
            if not answered:
                tell(
                    f"{signal.Signals(number).name}: {self._saves}; Ctrl-C (again) "
                    "stops at once"
                )
            answered = True


def _end_at_once() -> None:
    """End the process, even if its main thread never returns to Python.

    Whatever it was writing is left as a kill would leave it.
    """
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), SHOW_CURSOR)  # which a progress bar has hidden
    tell("interrupted")
    os._exit(INTERRUPTED)


def _in_an_import_of_ours(frame: types.FrameType | None) -> bool:
    """Whether a frame is part of an import, in a process that only runs a command."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None or spec.name not in PROGRAMS:
        return False
    while frame is not None and frame.f_code.co_filename != IMPORTING:
        frame = frame.f_back
    return frame is not None


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Leave the block with KeyboardInterrupt after a Ctrl-C, whatever becomes of it.

    An interrupted import may raise any other error, or crash in C code, so that the
    program itself ends at once there. Python discards an exception that is raised in a
    callback, such as the one that JAX adds to the garbage collector; it is raised again
    a moment later.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = over = False

    def interrupt(number: int, frame: types.FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        if _in_an_import_of_ours(frame):
            _end_at_once()
        if not over:
            raise KeyboardInterrupt

    def discarded(error: Any) -> None:
        if not issubclass(error.exc_type, KeyboardInterrupt):
            hook(error)
        elif not over:
            threading.Timer(SWALLOWED, interrupt_again).start()

    def interrupt_again() -> None:
        if not over:
            _thread.interrupt_main()

    previous = signal.signal(signal.SIGINT, interrupt)
    hook, sys.unraisablehook = sys.unraisablehook, discarded
    try:
        yield
    except BaseException as error:
        if interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        over = True
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, previous)
    if interrupted:
        raise KeyboardInterrupt


def tell(text: str) -> None:
    """Print a line on standard error, if it is open, and in the log."""
    LOG.write(text)
    try:
        show(text, sys.stderr)
    except OSError:
        mute(sys.stderr)


def open_closed_streams() -> None:
    """Discard what is written to standard streams that were closed at the start.

    Otherwise the next file that is opened, such as a checkpoint, would take their place
    and receive what libraries print there.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # takes the lowest free one
            os.set_inheritable(nowhere, True)
            if descriptor and getattr(sys, name) is None:
                setattr(sys, name, open(nowhere, "w", closefd=False))  # noqa: SIM115


def mute(stream: object) -> None:
    """Discard a stream's buffer, and everything written to it from now on."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]
        os.close(nowhere)
