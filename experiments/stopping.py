"""Stopping a sweep in time: a time budget, SIGTERM and Ctrl-C, between two steps."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopped(Exception):
    """Raised between two runs, or by a run that has saved a checkpoint."""

    def __init__(self, reason: str, status: int):
        super().__init__(reason)
        self.status = status  # of the command


class Stop:
    """Says whether to stop now, and why."""

    def __init__(self, minutes: float | None = None):
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._signal: int | None = None

    def __call__(self) -> bool:
        return self._signal is not None or (
            self._deadline is not None and time.monotonic() >= self._deadline
        )

    def stopped(self) -> Stopped:
        if self._signal is not None:
            name = signal.Signals(self._signal).name
            return Stopped(f"stopped by {name}", 128 + self._signal)
        return Stopped("the time budget is spent", 0)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as a request to stop; a second one is not caught."""

        def request(number: int, frame: object) -> None:
            self._signal = number
            signal.signal(number, previous[signal.Signals(number)])

        previous = {
            number: signal.signal(number, request)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
