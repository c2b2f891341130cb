"""From configurations to runs and to a command's tables and pictures."""

import dataclasses
import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments import text
from experiments.config.options import Pairs
from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import hosts
from experiments.machine.log import LOG, say
from experiments.report import curves, document, groups, notes, sheets, style, tables
from experiments.runs import dry_run, lr_sweep, sweep
from experiments.runs.run_directory import TRIALS, Run

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 220  # of tables in the log: no column is cut
LEAST = 22  # columns of the screen for one arm, where the table is turned


def run_and_present(configs: Sequence[RunConfig], out: Path, options: Pairs) -> None:
    """Choose learning rates if requested, run what is not finished, and present it."""
    if options.dry_run:
        look_ahead(configs, out, options)
        return
    if options.lr_sweep:
        configs = lr_sweep.tune(configs, options.lr_sweep, out, options)
        options = dataclasses.replace(options, resume=True, overwrite=False)
    runs = sweep.run_all(configs, out, options) if configs else []
    if hosts.is_first():
        present(runs, out)


def look_ahead(configs: Sequence[RunConfig], out: Path, options: Pairs) -> None:
    """Show what would run, learning-rate trials first; write nothing."""
    if options.lr_sweep:
        trials = lr_sweep.trials_of(configs, options.lr_sweep)
        dry_run.show(trials, out / TRIALS, options, within=out)
    dry_run.show(configs, out, options, rates_to_choose=len(options.lr_sweep))


def present(runs: Sequence[Run], out: Path) -> None:
    """Write the sheets, the report and the curves to `out`; print the tables.

    Raises:
      UserError: something could not be written or drawn; everything else is written.
    """
    if not runs:
        say(f"no run is finished yet in {out}")
        return
    drawing = style.Drawing()
    try:
        sheets.write_sheets(runs, out)
        document.write_markdown(runs, out, tables.title(runs))
        for group in groups.grouped(runs):
            print_table(group)
        pictures = drawing.of(functools.partial(curves.draw_curves, runs), out)
        document.write_page(runs, out, tables.title(runs), drawing)
    except OSError as error:
        raise UserError(
            f"cannot write the tables and pictures to {out} ({error}); the runs are "
            "kept: make room there, then use --resume or `report`"
        ) from error
    names = ", ".join(["report*.csv", *(path.name for path in pictures)])
    say(f"{out}: report.html, report.md, {names}")
    drawing.raise_failures()


def print_table(runs: Sequence[Run]) -> None:
    """Show the table in the terminal, with an arm per column where it is too narrow."""
    from rich.console import Console
    from rich.measure import Measurement

    summary = tables.summarize(runs)
    header, rows = tables.header(summary), tables.cells(summary)
    title = tables.title(runs)
    caption = "\n".join(notes.notes(summary))
    wide = _rich_table(header, rows, title, caption)

    console = Console()
    roomy = console.options.update(width=WIDTH)
    if Measurement.get(console, roomy, wide).maximum <= console.width:
        console.print(wide)
    else:
        at_once = max(1, console.width // LEAST - 1)
        for first in range(0, len(rows), at_once):
            arms = rows[first : first + at_once]
            names, *lines = zip(header, *arms)
            last = first + at_once >= len(rows)
            console.print(
                _rich_table(
                    names, lines, "" if first else title, caption if last else ""
                )
            )
    copy = Console(width=WIDTH, file=io.StringIO(), color_system=None)
    copy.print(wide)
    LOG.info(copy.file.getvalue())  # type: ignore[attr-defined]


def _rich_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], title: str, caption: str
) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    def shown(words: str) -> str:
        return escape(text.printable(words, keep="\n"))

    table = Table(title=shown(title) or None, caption=shown(caption) or None)
    for name in header:
        table.add_column(shown(name))
    for row in rows:
        table.add_row(*map(shown, row))
    return table
