"""`results`: the tables and pictures of results/, made only from the rows."""

import dataclasses
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
    """Directory to search for studies (runs.csv, chains.csv.gz, cases.json,
    spins.json)."""


def run(config: Config) -> None:
    from experiments import text
    from experiments.annealing import document as annealing
    from experiments.annealing.rows import studies as annealing_studies
    from experiments.machine import files
    from experiments.report import curves, document, groups, style
    from experiments.runs import rows, run_directory
    from experiments.spins import document as spins
    from experiments.spins import rows as spin_rows
    from experiments.stability import document as stability
    from experiments.stability import rows as stability_rows

    if not config.root.exists():
        raise UserError(f"{config.root} does not exist")
    drawing = style.Drawing()
    of_annealing = annealing_studies(config.root)
    for study in of_annealing:
        annealing.write_with(drawing, study)
        print(f"{text.printable(study.name)}: tables.md, pictures")
    rates = {}
    for study in stability_rows.STUDY.below(config.root):
        rates[study] = stability.write_with(drawing, study)
        print(f"{text.printable(study.name)}: tables.md, pictures")
    of_spins = spin_rows.STUDY.below(config.root)
    for study in of_spins:
        spins.write_with(drawing, study)
        print(f"{text.printable(study.name)}: tables.md, pictures")
    studies = rows.studies(config.root)
    if not (studies or of_annealing or rates or of_spins):
        raise UserError(
            f"there is no study (runs.csv) under {config.root}: see `collect`"
        )
    if not studies:
        drawing.raise_failures()
        return
    runs_of = {study: rows.read(study) for study in studies}
    everything = run_directory.distinct(
        run for runs in runs_of.values() for run in runs
    )
    try:
        for study, runs in runs_of.items():
            files.write_text(study / "tables.md", tables_of(runs))
        for study, runs in runs_of.items():
            for number, group in enumerate(groups.grouped(runs), start=1):
                drawing.of(curves.draw_curves, group, study, "png", number)
        effects = config.root / "effects.png"
        drawing.of(curves.draw_effects, groups.grouped(everything), effects)
        sections = stability.sections(rates)
        document.write_page(everything, config.root, TITLE, drawing, studies=sections)
    except OSError as error:
        raise UserError(f"cannot write to {config.root}: {error}") from error
    names = ", ".join(text.printable(study.name) for study in studies)
    print(f"{names}: tables.md, curves; {config.root}: effects.png, report.html")
    drawing.raise_failures()


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
