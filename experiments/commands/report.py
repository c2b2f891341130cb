"""`report`: one page about any number of runs, made only from their directories."""

import dataclasses
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Config:
    """Write report.html, which opens offline, and report.md on finished runs.

    The pictures of studies below the same directories come first.
    """

    example: ClassVar[str] = "python -m experiments report runs --out report"
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Directories to search for runs and studies, with everything below them."""
    out: Path = Path("report")
    """Directory of the report; existing files of the same names are replaced."""
    title: str = "Landscape modification: what the runs show"
    """Heading of the page."""


def run(config: Config) -> None:
    from experiments.report import document, style
    from experiments.runs import run_directory
    from experiments.study import document as studies
    from experiments.study import store

    below = {p: s for root in config.runs for p, s in studies.below(root).items()}
    find = run_directory.find_runs if below else run_directory.find_some_runs
    runs = find(config.runs)
    rows, damaged = {}, []
    for path, study in below.items():
        try:
            rows[path] = study, store.read(study, path)
        except UserError as error:
            damaged.append(str(error))
    sections = studies.sections(rows)
    drawing = style.Drawing()
    try:
        document.write_markdown(runs, config.out, config.title, sections)
        document.write_page(runs, config.out, config.title, drawing, sections)
    except OSError as error:
        raise UserError(f"cannot write a report to {config.out}: {error}") from error
    print(config.out / "report.html")
    studies.raise_failures(damaged, drawing)
