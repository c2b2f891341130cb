"""Stopping in time: a time budget, signals, an output that is closed.

Between two steps a command asks its `Stop` whether to save and end. SIGINT (Ctrl-C),
SIGTERM and SIGHUP (a closed terminal) are requests to do so, and so is an output that
nobody reads any more. What comes before, while a command starts up, only ends it.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from experiments.machine.log import LOG

BUDGET_SPENT = 75  # EX_TEMPFAIL of sysexits.h: the same command again goes on
OUTPUT_CLOSED = 128 + signal.SIGPIPE
INTERRUPTED = 128 + signal.SIGINT

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# `timeout` and some job schedulers send a signal to the process and to its group.
SAME_REQUEST = 0.2  # seconds
# For the step that is being run, which may be compiling, to let go.
PATIENCE = 2.0  # seconds


class Stopped(Exception):
    """Raised between two runs, or by a run that has saved a checkpoint."""

    def __init__(self, reason: str, status: int):
        super().__init__(reason)
        self.status = status  # of the command


class Stop:
    """Says whether to stop now, and why.

    Args:
      minutes: after so many it says yes; None for never.
      answers: whether to say on standard error that a signal was understood.
    """

    def __init__(self, minutes: float | None = None, answers: bool = True):
        self.deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._answers = answers
        self._requested: Stopped | None = None

    def __call__(self) -> bool:
        return self._requested is not None or (
            self.deadline is not None and time.monotonic() >= self.deadline
        )

    def stopped(self) -> Stopped:
        """What to raise once all is saved."""
        return self._requested or Stopped("the time budget is spent", BUDGET_SPENT)

    @contextmanager
    def taking(self, errors: type[Exception]) -> Iterator[None]:
        """Take such an error that comes after a signal for the stop it asked for.

        SIGTERM may end JAX's compiler, a child, before the step lets go.
        """
        try:
            yield
        except errors as error:
            if self._requested is None:
                raise
            raise self._requested from error

    def output_failed(self, error: OSError) -> None:
        """Stop because standard output cannot be written to; nothing more is."""
        if self._requested is None:
            reason = f"stopped as its output is closed ({error.strerror})"
            self._requested = Stopped(reason, OUTPUT_CLOSED)
        mute(sys.stdout)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM, SIGINT and SIGHUP as a request to stop.

        A second SIGINT raises KeyboardInterrupt, or ends the process where Python does
        not get to raise it. SIGHUP stays ignored where it is, as under nohup.
        """

        is_second = _again()

        def request(number: int, frame: object) -> None:
            self._request(number)
            if is_second(number):
                raise KeyboardInterrupt

        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        left = threading.Event()
        thread = threading.Thread(target=self._answer, args=(reading, left))
        thread.daemon = True
        thread.start()
        waking = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        previous = {
            number: signal.signal(number, request)
            for number in SIGNALS
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN)
        }
        hook, sys.unraisablehook = sys.unraisablehook, _without_interrupts
        try:
            yield
        finally:
            sys.unraisablehook = hook
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(waking)
            left.set()
            os.close(writing)
            thread.join()
            os.close(reading)

    def _request(self, number: int) -> None:
        if self._requested is None:
            name = signal.Signals(number).name
            self._requested = Stopped(f"stopped by {name}", 128 + number)

    def _answer(self, reading: int, left: threading.Event) -> None:
        """Answer signals while the main thread is in a step or compiles."""
        is_second = _again()
        answered = False
        while numbers := os.read(reading, 64):
            for number in numbers:
                if number not in SIGNALS:
                    continue
                self._request(number)
                if is_second(number):
                    if not left.wait(PATIENCE):
                        tell("interrupted")
                        os._exit(INTERRUPTED)
                    return
                if self._answers and not answered:
                    tell(
                        f"{signal.Signals(number).name}: finishing this step, then "
                        "saving a checkpoint; Ctrl-C (again) stops at once, without one"
                    )
                answered = True


def _without_interrupts(unraisable: Any) -> None:
    """A Ctrl-C within a callback of the garbage collector, say, is not an error."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def _again() -> Callable[[int], bool]:
    """A function that says of each signal whether it is a second Ctrl-C.

    The thread that answers and the main thread, which may see a signal much later,
    have one each.
    """
    first: float | None = None

    def is_second(number: int) -> bool:
        nonlocal first
        if number != signal.SIGINT:
            return False
        now = time.monotonic()
        if first is None:
            first = now
        return now - first > SAME_REQUEST

    return is_second


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Turn whatever a Ctrl-C makes of the block into KeyboardInterrupt.

    An import that is interrupted may end in any other error.
    """
    interrupted = False

    def interrupt(number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except BaseException as error:
        if interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, previous)


def tell(text: str) -> None:
    """Say a line on standard error, if anybody hears it, and in the log."""
    LOG.write(text)
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        mute(sys.stderr)


def mute(stream: object) -> None:
    """Let what is written to a stream from now on, and what it holds, go nowhere."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]
        os.close(nowhere)
