"""tables.md and the pictures of a study, from its rows."""

from pathlib import Path

from experiments.machine import files
from experiments.report import page, style
from experiments.stability import pictures, rows
from experiments.stability.tables import tables
from experiments.text import html


def write(out: Path) -> None:
    """Make tables.md and the pictures of a study from its rows."""
    drawing = style.Drawing()
    write_with(drawing, out)
    drawing.raise_failures()


def section(study: Path) -> str:
    """The part of a report's page on a study, with the pictures that it has."""
    captions = {
        "collapse.png": "Share of runs that collapse, by learning rate. Bands: 95 % "
        "intervals (Wilson). Further right is better.",
        "how.png": "One seed at a learning rate at which its plain run collapses.",
    }
    figures = "".join(
        page.figure(study / name, caption)
        for name, caption in captions.items()
        if (study / name).is_file()
    )
    seeds = rows.read(study)["seed"].nunique()
    return f"""
<h2>Which learning rates train, with {seeds} paired seeds</h2>
<div class="figures">{figures}</div>
<p class="note">Margins and comparisons are in {html(study.name)}/tables.md.</p>
"""


def write_with(drawing: style.Drawing, out: Path) -> None:
    """As `write`; pictures that could not be drawn are left to `drawing`."""
    runs = rows.read(out)
    files.write_text(out / "tables.md", tables(runs, rows.cases(out)))
    pictures.draw(runs, rows.read(out, "curves"), out, drawing)
