"""tables.md and the pictures of a study, from its rows."""

from pathlib import Path

from experiments.machine import files
from experiments.report import style
from experiments.spins import pictures, rows
from experiments.spins.tables import tables


def write(out: Path) -> None:
    """Make tables.md and the pictures of a study from its rows."""
    drawing = style.Drawing()
    write_with(drawing, out)
    drawing.raise_failures()


def write_with(drawing: style.Drawing, out: Path) -> None:
    """Like `write`, but `drawing` collects pictures that could not be drawn."""
    parts = rows.read(out)
    files.write_text(out / "tables.md", tables(parts, rows.STUDY.known(out)))
    pictures.draw(parts, out, drawing)
