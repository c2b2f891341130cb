"""Progress of a command: a bar on a terminal, lines elsewhere; lines are logged."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from experiments.machine.log import LOG, show


def _raise(error: OSError) -> None:
    raise error


class Progress:
    """Prints lines and, with a bar, what is at work below them.

    Args:
      shown: False for a process that prints nothing, because the first one does.
      bar: a rich.progress.Progress, whose task has the field `now`.
      failed: called, instead of raising, if standard output cannot be written to.
    """

    def __init__(
        self,
        shown: bool = True,
        bar: Any = None,
        failed: Callable[[OSError], None] = _raise,
    ):
        self._shown, self._bar, self._failed = shown, bar, failed
        self._task = None if bar is None else bar.add_task("", total=None, now="")
        self._label = self._unit = ""

    def begin(self, label: str, steps: int, unit: str = "steps") -> None:
        """A run of this many steps, or of other units, starts."""
        self._label, self._unit = label, unit
        if self._bar is not None:
            self._bar.reset(self._task, total=steps, description=label, now=unit)
        else:
            self.line(f"{label}: {steps} {unit}")

    def advance(self, steps: int = 1) -> None:
        """This many more steps are done."""
        if self._bar is not None:
            self._bar.advance(self._task, steps)

    def compiling(self, now: bool) -> None:
        """JAX starts to compile, or has compiled; plain lines say so once a run."""
        if self._bar is not None:
            self._bar.update(self._task, now="compiling" if now else self._unit)
        elif now and self._label:
            self.line(f"{self._label}: compiling")
            self._label = ""

    def whole(self, text: str) -> None:
        """How far the whole command is, for the bar; plain lines do not have it."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"{self._label}, {text}")

    def line(self, text: str) -> None:
        if not self._shown:
            return
        LOG.info(text)
        try:
            if self._bar is not None:
                self._bar.console.print(text, highlight=False, markup=False)
            else:
                show(text)
        except OSError as error:
            self._failed(error)


@contextlib.contextmanager
def progress(
    shown: bool = True, failed: Callable[[OSError], None] = _raise, console: Any = None
) -> Iterator[Progress]:
    """A Progress with a bar on the console, by default standard output's if a terminal.

    Args:
      shown, failed: of the Progress.
    """
    if not shown or (console is None and not sys.stdout.isatty()):
        yield Progress(shown, failed=failed)
        return
    from rich import progress as rich
    from rich.table import Column

    label = Column(ratio=2, no_wrap=True, overflow="ellipsis")
    bar = rich.Progress(
        rich.TextColumn("{task.description}", table_column=label),
        rich.BarColumn(bar_width=None, table_column=Column(ratio=1)),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[now]}"),
        rich.TimeRemainingColumn(),
        console=console,
        transient=True,
        refresh_per_second=2,
        expand=True,
    )
    try:
        bar.start()
        yield Progress(bar=bar, failed=failed)
    finally:
        try:
            bar.stop()
        except OSError as error:
            failed(error)
