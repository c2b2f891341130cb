"""The report on any number of runs: report.md, and report.html with its pictures.

Both begin with the studies: for each, its title, path and captions (by picture).
"""

import functools
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import text
from experiments.machine import files
from experiments.report import curves, page, style, tables
from experiments.report.groups import grouped
from experiments.runs.run_directory import Run


def write_markdown(
    runs: Sequence[Run],
    out: Path,
    title: str,
    studies: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write report.md, the studies and tables, to the directory `out`."""
    out.mkdir(parents=True, exist_ok=True)
    parts = [_markdown(study, out) for study in studies]
    parts += [tables.markdown(group) for group in grouped(runs)]
    markdown = "\n".join([f"# {text.markdown(title)}\n", *parts])
    files.write_text(out / "report.md", markdown)


def _markdown(study: Mapping[str, Any], out: Path) -> str:
    """A study's pictures, and a link to its tables."""

    def linked(path: Path) -> str:
        return text.link(os.path.relpath(path, out))

    lines = [f"## {text.markdown(study['title'])}\n"]
    for path, caption in study["captions"].items():
        lines.append(f"![{text.markdown(caption)}]({linked(path)})\n")
    path = study["path"] / "tables.md"
    name = text.markdown(f"{study['path'].name}/tables.md")
    return "\n".join([*lines, f"Tables and comparisons: [{name}]({linked(path)}).\n"])


def write_page(
    runs: Sequence[Run],
    out: Path,
    title: str,
    drawing: style.Drawing,
    studies: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write report.html, without pictures that could not be drawn."""
    groups = grouped(runs)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        effects = Path(scratch) / "effects.svg"
        drawing.of(functools.partial(curves.draw_effects, groups), effects)
        sections = []
        for group in groups:
            draw = functools.partial(curves.draw_curves, group, suffix="svg")
            pictures = drawing.of(draw, Path(scratch))
            sections.append(page.section(group, pictures, out))
        html = page.page(title, effects, sections, runs, studies)
    files.write_text(out / "report.html", html)
