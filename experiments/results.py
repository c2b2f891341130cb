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
    from experiments import plots, report, rows
    from experiments.annealing import report as annealing

    for study in annealing.studies(config.root):
        annealing.write(study)
        print(f"{study.name}: tables.md, pictures")
    studies = rows.studies(config.root)
    if not studies:
        raise UserError(f"no study (runs.csv) lies under {config.root}: see `collect`")
    everything = []
    for study in studies:
        runs = rows.read(study)
        (study / "tables.md").write_text(tables_of(runs))
        for group in report.grouped(runs):
            plots.draw_curves(group, study)
        everything += runs
    plots.draw_effects(report.grouped(everything), config.root / "effects.png")
    report.write_page(everything, config.root, TITLE)
    names = ", ".join(study.name for study in studies)
    print(f"{names}: tables.md, curves; {config.root}: effects.png, report.html")


def tables_of(runs: Sequence[Run]) -> str:
    """A study's tables as Markdown, with the commands that made its runs."""
    from experiments import report, tables

    commands = dict.fromkeys(str(run.meta["command"]) for run in runs)
    machines = {
        f"{run.meta['machine']['cpu']}, {run.meta['machine']['cores']} core(s), "
        f"jax {run.meta['versions']['jax']}, commit {run.meta['commit']}": None
        for run in runs
    }
    parts = [tables.markdown(group) for group in report.grouped(runs)]
    parts += ["```sh\n" + "\n".join(commands) + "\n```\n"]
    return "\n".join([*parts, f"Run on: {'; '.join(machines)}.\n"])
