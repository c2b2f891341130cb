"""`results`: the tables and pictures of results/, from the rows alone."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from experiments.errors import UserError
from experiments.rundir import Run

TITLE = "What landscape modification does on CIFAR"


@dataclasses.dataclass(frozen=True)
class Config:
    """Make each study's tables and curves, the picture over all of them, and a page."""

    root: Path = Path("results")
    """Directory with studies (runs.csv, chains.csv.gz) at or below it."""


def run(config: Config) -> None:
    from experiments import files, groups, plots, report, rows, rundir, style, text
    from experiments.annealing import report as annealing

    drawing = style.Drawing()
    for study in annealing.studies(config.root):
        annealing.write_with(drawing, study)
        print(f"{text.printable(study.name)}: tables.md, pictures")
    studies = rows.studies(config.root)
    if not studies:
        raise UserError(f"no study (runs.csv) lies under {config.root}: see `collect`")
    runs_of = {study: rows.read(study) for study in studies}
    everything = rundir.distinct(run for runs in runs_of.values() for run in runs)
    try:
        for study, runs in runs_of.items():
            files.write_text(study / "tables.md", tables_of(runs))
        for study, runs in runs_of.items():
            for number, group in enumerate(groups.grouped(runs), start=1):
                drawing.of(plots.draw_curves, group, study, "png", number)
        effects = config.root / "effects.png"
        drawing.of(plots.draw_effects, groups.grouped(everything), effects)
        report.write_page(everything, config.root, TITLE, drawing)
    except OSError as error:
        raise UserError(f"cannot write to {config.root}: {error}") from error
    names = ", ".join(text.printable(study.name) for study in studies)
    print(f"{names}: tables.md, curves; {config.root}: effects.png, report.html")
    drawing.raise_failures()


def tables_of(runs: Sequence[Run]) -> str:
    """A study's tables as Markdown, with the commands that made its runs."""
    from experiments import groups, provenance, tables, text

    commands = dict.fromkeys(str(run.meta["command"]) for run in runs)
    machines = {text.markdown(provenance.in_words(run.meta)): None for run in runs}
    parts = [tables.markdown(group) for group in groups.grouped(runs)]
    parts += [text.code_block(list(commands))]
    return "\n".join([*parts, f"Run on: {'; '.join(machines)}.\n"])
