"""tables.md and the pictures of a study, from its rows."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

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


def sections(found: Mapping[Path, pd.DataFrame]) -> list[str]:
    """The parts of a report's page about studies, with their pictures.

    Args:
      found: the rows of each study, as `rows.read` gives them.
    """
    names = [study.name for study in found]
    if len(set(names)) < len(names):
        names = [str(study) for study in found]
    if len(names) == 1:
        names = [""]
    return [_section(*each, name) for each, name in zip(found.items(), names)]


def _section(study: Path, runs: pd.DataFrame, name: str) -> str:
    captions = {
        "collapse.png": "Share of runs that collapse, by learning rate. Bands: 95% "
        "intervals (Wilson). Further right is better.",
        "how.png": "One seed at a learning rate at which its plain run collapses.",
    }
    figures = "".join(
        page.figure(study / name, caption)
        for name, caption in captions.items()
        if (study / name).is_file()
    )
    title = f"Which learning rates train, with {runs['seed'].nunique()} paired seeds"
    return f"""
<h2>{title}{html(f" ({name})" if name else "")}</h2>
<div class="figures">{figures}</div>
<p class="note">Margins and comparisons are in {html(study.name)}/tables.md.</p>
"""


def write_with(drawing: style.Drawing, out: Path) -> pd.DataFrame:
    """Like `write`, but `drawing` collects pictures that could not be drawn.

    Returns:
      The rows.
    """
    runs = rows.read(out)
    files.write_text(out / "tables.md", tables(runs, rows.STUDY.known(out)))
    pictures.draw(runs, rows.read(out, "curves"), out, drawing)
    return runs
