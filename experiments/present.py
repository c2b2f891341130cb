"""From configurations to runs, and what a command makes of them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from experiments import hosts, lr_sweep, plots, report, sheets, sweep, tables
from experiments.config import RunConfig
from experiments.errors import UserError
from experiments.options import Pairs
from experiments.rundir import Run


def run_and_present(configs: Sequence[RunConfig], out: Path, options: Pairs) -> None:
    """Choose learning rates where asked to, run what is not finished, present it."""
    if options.lr_sweep:
        configs = lr_sweep.tune(configs, options.lr_sweep, out, options)
        options = dataclasses.replace(options, resume=True, overwrite=False)
    runs = sweep.run_all(configs, out, options) if configs else []
    if hosts.is_first():
        present(runs, out)


def present(runs: Sequence[Run], out: Path) -> None:
    """Write the sheets, the report and the curves to `out`; print the table."""
    if not runs:
        print(f"no run is finished yet in {out}")
        return
    try:
        sheets.write_sheets(runs, out)
        pictures = plots.draw_curves(runs, out)
        report.write(runs, out, tables.title(runs))
    except OSError as error:
        raise UserError(
            f"cannot write the tables and pictures to {out} ({error}); the runs are "
            "kept: make room there, and --resume or `report` makes them again"
        ) from error
    tables.print_table(runs)
    names = ", ".join(path.name for path in pictures)
    print(f"{out}: report.html, report.md, report*.csv, {names}")
