"""`report`: one page about any number of runs, from their directories alone."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from experiments.errors import UserError
from experiments.rundir import Run

if TYPE_CHECKING:
    from experiments import style


@dataclasses.dataclass(frozen=True)
class Config:
    """Make report.html, which opens offline, and report.md of finished runs."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Directories with runs at or below them."""
    out: Path = Path("report")
    """Directory of the report; files of the same names are replaced."""
    title: str = "Landscape modification: what the runs show"
    """Heading of the page."""
    tensorboard: Path | None = None
    """Also write TensorBoard event files, a directory per run (needs tensorboardX)."""


def run(config: Config) -> None:
    from experiments import rundir, style

    runs = rundir.find_some_runs(config.runs)
    drawing = style.Drawing()
    try:
        write_markdown(runs, config.out, config.title)
        write_page(runs, config.out, config.title, drawing)
    except OSError as error:
        raise UserError(f"cannot write a report to {config.out}: {error}") from error
    if config.tensorboard is not None:
        from experiments.events import write_events

        write_events(runs, config.tensorboard)
    print(config.out / "report.html")
    drawing.raise_failures()


def write_markdown(runs: Sequence[Run], out: Path, title: str) -> None:
    """Write report.md, the tables, to the directory `out`."""
    from experiments import files, tables, text
    from experiments.groups import grouped

    out.mkdir(parents=True, exist_ok=True)
    markdown = "\n".join(tables.markdown(group) for group in grouped(runs))
    files.write_text(out / "report.md", f"# {text.markdown(title)}\n\n{markdown}")


def write_page(
    runs: Sequence[Run], out: Path, title: str, drawing: "style.Drawing"
) -> None:
    """Write report.html; pictures that fail to be drawn are left out of it."""
    from experiments import files, page, plots
    from experiments.groups import grouped

    groups = grouped(runs)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        effects = drawing.of(plots.draw_effects, groups, Path(scratch) / "effects.svg")
        sections = []
        for group in groups:
            pictures = drawing.of(plots.draw_curves, group, Path(scratch), "svg")
            sections.append(page.section(group, pictures, out))
        html = page.page(title, effects, sections, runs)
    files.write_text(out / "report.html", html)
