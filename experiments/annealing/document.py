"""tables.md and the pictures of a study, from its rows."""

from pathlib import Path

from experiments.annealing import pictures
from experiments.annealing.rows import read_rows
from experiments.annealing.tables import tables
from experiments.errors import UserError
from experiments.machine import files
from experiments.report import style


def write(out: Path) -> None:
    """Make tables.md and the pictures of a study from its rows."""
    drawing = style.Drawing()
    write_with(drawing, out)
    drawing.raise_failures()


def write_with(drawing: style.Drawing, out: Path) -> None:
    """Like `write`, but `drawing` collects pictures that could not be drawn."""
    rows = read_rows(out)
    try:
        words = tables(rows)
    # What rows may lack of each other shows in many ways.
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise UserError(
            f"{out} does not contain the rows of a whole annealing study: "
            f"{type(error).__name__}: {error}"
        ) from error
    files.write_text(out / "tables.md", words)
    pictures.draw(rows, out, drawing)
