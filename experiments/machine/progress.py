"""Progress of a sweep: a bar on a terminal, plain lines elsewhere; lines are logged."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from experiments.machine.log import LOG, show

Failed = Callable[[OSError], None]


def _raise(error: OSError) -> None:
    raise error


class Progress(Protocol):
    def begin(self, label: str, steps: int, unit: str = "steps") -> None:
        """A run of this many steps starts."""

    def advance(self, steps: int = 1) -> None:
        """This many more steps are done."""

    def compiling(self, now: bool) -> None:
        """JAX starts to compile, or has compiled."""

    def whole(self, text: str) -> None:
        """The state of the sweep, which is shown below the bar instead of as a line."""

    def line(self, text: str) -> None:
        """Print a line."""


class Silent:
    """Prints nothing, because the first process reports."""

    def begin(self, label: str, steps: int, unit: str = "steps") -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        pass

    def compiling(self, now: bool) -> None:
        pass

    def whole(self, text: str) -> None:
        pass

    def line(self, text: str) -> None:
        pass


class Plain(Silent):
    """Prints each message as a line, and nothing for a step.

    Args:
      failed: called if standard output cannot be written to.
    """

    def __init__(self, failed: Failed = _raise):
        self._failed = failed
        self._label = ""

    def begin(self, label: str, steps: int, unit: str = "steps") -> None:
        self._label = label
        self.line(f"{label}: {steps} {unit}")

    def compiling(self, now: bool) -> None:
        if now and self._label:
            self.line(f"{self._label}: compiling")
            self._label = ""  # once a run

    def line(self, text: str) -> None:
        LOG.write(text)
        try:
            show(text)
        except OSError as error:
            self._failed(error)


class Bar(Silent):
    """A rich progress bar; lines scroll above it.

    Args:
      bar: a rich.progress.Progress, whose task has the fields `unit`, `now` and
        `whole`.
      failed: called if the terminal is gone.
    """

    def __init__(self, bar: Any, failed: Failed):
        self._bar = bar
        self._failed = failed
        self._task = bar.add_task("", total=None, unit="steps", now="", whole="")

    def begin(self, label: str, steps: int, unit: str = "steps") -> None:
        whole = self._bar.tasks[0].fields["whole"]
        fields = {"description": label, "unit": unit, "now": "", "whole": whole}
        self._bar.reset(self._task, total=steps, **fields)

    def advance(self, steps: int = 1) -> None:
        self._bar.advance(self._task, steps)

    def compiling(self, now: bool) -> None:
        self._bar.update(self._task, now="compiling" if now else "")

    def whole(self, text: str) -> None:
        self._bar.update(self._task, whole=text)

    def line(self, text: str) -> None:
        LOG.write(text)
        try:
            self._bar.console.print(text, highlight=False, markup=False)
        except OSError as error:
            self._failed(error)


@contextmanager
def progress(shown: bool = True, failed: Failed = _raise) -> Iterator[Progress]:
    """A Bar if standard output is a terminal, otherwise Plain; Silent if not shown.

    Args:
      failed: called, instead of raising, if standard output cannot be written to.
    """
    if not shown:
        yield Silent()
        return
    if not sys.stdout.isatty():
        yield Plain(failed)
        return
    with bar(failed=failed) as shown_bar:
        yield shown_bar


@contextmanager
def bar(console: Any = None, failed: Failed = _raise) -> Iterator[Bar]:
    """A Bar on a rich console, by default standard output's."""
    from rich import progress as rich_progress
    from rich.table import Column
    from rich.text import Text

    class Remaining(rich_progress.TimeRemainingColumn):
        max_refresh = 0.0  # otherwise it would show "compiling" late

        def render(self, task: Any) -> Text:
            if task.fields["now"]:
                return Text(task.fields["now"])
            return super().render(task)

    class TwoLines(rich_progress.Progress):
        """The run's bar, and below it the state of the sweep."""

        def get_renderables(self) -> Iterator[Any]:
            yield self.make_tasks_table(self.tasks)
            for task in self.tasks:
                if text := task.fields["whole"]:
                    yield Text(text, no_wrap=True, overflow="ellipsis")

    label = Column(ratio=2, no_wrap=True, overflow="ellipsis")
    columns = (
        rich_progress.TextColumn("{task.description}", table_column=label),
        rich_progress.BarColumn(bar_width=None, table_column=Column(ratio=1)),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("{task.fields[unit]}"),
        Remaining(),
    )
    rich_bar = TwoLines(
        *columns, console=console, transient=True, refresh_per_second=2, expand=True
    )
    try:
        rich_bar.start()
        yield Bar(rich_bar, failed)
    finally:
        try:
            rich_bar.stop()
        except OSError as error:
            failed(error)
