"""The report on any number of runs: report.md, and report.html with its pictures."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from experiments import text
from experiments.config.asked import Asked
from experiments.machine import files
from experiments.report import curves, notes, page, style, tables
from experiments.report.groups import grouped
from experiments.runs.run_directory import Run


def write_markdown(
    runs: Sequence[Run], out: Path, title: str, asked: Asked = notes.NOTHING
) -> None:
    """Write report.md, the tables, to the directory `out`."""
    out.mkdir(parents=True, exist_ok=True)
    markdown = "\n".join(tables.markdown(group, asked) for group in grouped(runs))
    files.write_text(out / "report.md", f"# {text.markdown(title)}\n\n{markdown}")


def write_page(
    runs: Sequence[Run],
    out: Path,
    title: str,
    drawing: style.Drawing,
    asked: Asked = notes.NOTHING,
    studies: Sequence[str] = (),
) -> None:
    """Write report.html, without pictures that could not be drawn.

    Args:
      studies: HTML about the studies, which comes first.
    """
    groups = grouped(runs)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        effects = drawing.of(curves.draw_effects, groups, Path(scratch) / "effects.svg")
        sections = []
        for group in groups:
            pictures = drawing.of(curves.draw_curves, group, Path(scratch), "svg")
            sections.append(page.section(group, pictures, out, asked))
        html = page.page(title, effects, sections, runs, studies)
    files.write_text(out / "report.html", html)
