"""Progress of a sweep: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

Failed = Callable[[OSError], None]


def _raise(error: OSError) -> None:
    raise error


class Progress(Protocol):
    def begin(self, label: str, steps: int) -> None: ...
    def advance(self, steps: int = 1) -> None: ...
    def line(self, text: str) -> None: ...


class Plain:
    """One line for each thing said, nothing for a step.

    Args:
      failed: called where standard output cannot be written to.
    """

    def __init__(self, failed: Failed = _raise):
        self._failed = failed

    def begin(self, label: str, steps: int) -> None:
        self.line(f"{label}: {steps} steps")

    def advance(self, steps: int = 1) -> None:
        pass

    def line(self, text: str) -> None:
        try:
            print(text, flush=True)
        except OSError as error:
            self._failed(error)


class Silent:
    """Nothing: another process says it."""

    def begin(self, label: str, steps: int) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        pass

    def line(self, text: str) -> None:
        pass


class Bar:
    """A rich progress bar; lines scroll above it.

    Args:
      bar: a rich.progress.Progress.
      failed: called where the terminal is gone.
    """

    def __init__(self, bar: Any, failed: Failed):
        self._bar = bar
        self._failed = failed
        self._task = bar.add_task("", total=None)

    def begin(self, label: str, steps: int) -> None:
        self._bar.reset(self._task, total=steps, description=label)

    def advance(self, steps: int = 1) -> None:
        self._bar.advance(self._task, steps)

    def line(self, text: str) -> None:
        try:
            self._bar.console.print(text, highlight=False, markup=False)
        except OSError as error:
            self._failed(error)


@contextmanager
def progress(
    shown: bool = True, bar_wanted: bool = True, failed: Failed = _raise
) -> Iterator[Progress]:
    """A Bar where standard output is a terminal, else Plain; Silent if not shown.

    Args:
      failed: called, in place of an error, where standard output cannot be written to.
    """
    if not shown:
        yield Silent()
        return
    if not (bar_wanted and sys.stdout.isatty()):
        yield Plain(failed)
        return
    with bar(failed=failed) as shown_bar:
        yield shown_bar


@contextmanager
def bar(console: Any = None, failed: Failed = _raise) -> Iterator[Bar]:
    """A Bar on a rich console, by default standard output's."""
    from rich import progress as rich_progress

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("steps"),
        rich_progress.TimeRemainingColumn(),
    )
    rich_bar = rich_progress.Progress(
        *columns, console=console, transient=True, refresh_per_second=2
    )
    try:
        rich_bar.start()
        yield Bar(rich_bar, failed)
    finally:
        try:
            rich_bar.stop()
        except OSError as error:
            failed(error)
