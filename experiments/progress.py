"""Progress of a sweep: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Progress(Protocol):
    def begin(self, label: str, steps: int) -> None: ...
    def advance(self, steps: int = 1) -> None: ...
    def line(self, text: str) -> None: ...


class Plain:
    """One line for each thing said, nothing for a step."""

    def begin(self, label: str, steps: int) -> None:
        print(f"{label}: {steps} steps", flush=True)

    def advance(self, steps: int = 1) -> None:
        pass

    def line(self, text: str) -> None:
        print(text, flush=True)


class Silent(Plain):
    """Nothing: another process says it."""

    def begin(self, label: str, steps: int) -> None:
        pass

    def line(self, text: str) -> None:
        pass


class Bar:
    """A rich progress bar; lines scroll above it."""

    def __init__(self, bar):
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def begin(self, label: str, steps: int) -> None:
        self._bar.reset(self._task, total=steps, description=label)

    def advance(self, steps: int = 1) -> None:
        self._bar.advance(self._task, steps)

    def line(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False)


@contextmanager
def progress(shown: bool = True, bar_wanted: bool = True) -> Iterator[Progress]:
    """A Bar where standard output is a terminal, else Plain; Silent if not shown."""
    if not shown:
        yield Silent()
        return
    if not (bar_wanted and sys.stdout.isatty()):
        yield Plain()
        return
    with bar() as shown_bar:
        yield shown_bar


@contextmanager
def bar(console: Any = None) -> Iterator[Bar]:
    """A Bar on a rich console, by default standard output's."""
    from rich import progress as rich_progress

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("steps"),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(
        *columns, console=console, transient=True, refresh_per_second=2
    ) as rich_bar:
        yield Bar(rich_bar)
