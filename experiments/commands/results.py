"""`results`: the tables and pictures of results/, made only from the rows."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from experiments.errors import UserError
from experiments.runs.run_directory import Run

TITLE = "What landscape modification does: the results"


@dataclasses.dataclass(frozen=True)
class Config:
    """Make tables and curves for each study, and a picture and page for all of them."""

    example: ClassVar[str] = "python -m experiments results --root results"
    root: Path = Path("results")
    """Directory to search for studies, and for stored runs (runs.csv)."""


def run(config: Config) -> None:
    from experiments import text
    from experiments.machine import files
    from experiments.report import curves, document, groups, style
    from experiments.runs import rows, run_directory
    from experiments.study import document as studies

    drawing = style.Drawing()
    measured, damaged = {}, []
    for path, study in studies.below(config.root).items():
        try:
            measured[path] = study, studies.write_with(drawing, study, path)
        except UserError as error:
            damaged.append(str(error))
            continue
        print(f"{text.printable(path.name)}: tables.md, pictures")
    stored = rows.studies(config.root)
    if not (stored or measured or damaged):
        raise UserError(
            f"there is no study (runs.csv) under {config.root}: see `collect`"
        )
    if not stored:
        studies.raise_failures(damaged, drawing)
        return
    runs_of = {path: rows.read(path) for path in stored}
    everything = run_directory.distinct(
        run for runs in runs_of.values() for run in runs
    )
    try:
        for path, runs in runs_of.items():
            files.write_text(path / "tables.md", tables_of(runs))
        for path, runs in runs_of.items():
            for number, group in enumerate(groups.grouped(runs), start=1):
                draw = functools.partial(curves.draw_curves, group, number=number)
                drawing.of(draw, path)
        effects = functools.partial(curves.draw_effects, groups.grouped(everything))
        drawing.of(effects, config.root / "effects.png")
        sections = studies.sections(measured)
        document.write_page(everything, config.root, TITLE, drawing, studies=sections)
    except OSError as error:
        raise UserError(f"cannot write to {config.root}: {error}") from error
    names = ", ".join(text.printable(path.name) for path in stored)
    print(f"{names}: tables.md, curves; {config.root}: effects.png, report.html")
    studies.raise_failures(damaged, drawing)


def tables_of(runs: Sequence[Run]) -> str:
    """A study's tables as Markdown, with the commands that made its runs."""
    from experiments import text
    from experiments.report import groups, tables
    from experiments.runs import provenance

    commands = dict.fromkeys(str(run.meta["command"]) for run in runs)
    machines = {text.markdown(provenance.in_words(run.meta)): None for run in runs}
    parts = [tables.markdown(group) for group in groups.grouped(runs)]
    parts += [text.code_block(list(commands))]
    return "\n".join([*parts, f"Run on: {'; '.join(machines)}.\n"])
