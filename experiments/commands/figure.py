"""`figure`: the training curves of figures 3.7, 3.9 and 3.12, from finished runs."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

import tyro

from experiments.config.optimizers import OptimizerName
from experiments.config.tables import TABLES
from experiments.errors import UserError
from experiments.runs.run_directory import Run


class Panel(NamedTuple):
    table: str  # whose runs it shows
    model: str
    optimizer: OptimizerName
    quantity: str  # one of curves.QUANTITIES


FIGURES: Mapping[str, tuple[Panel, ...]] = {
    "3.7": (
        Panel("3.6", "preresnet110", "sgd", "loss"),
        Panel("3.8", "vgg16", "sgd", "loss"),
    ),
    "3.9": (
        Panel("3.8", "vgg16", "adagrad", "loss"),
        Panel("3.8", "vgg16", "adagrad", "test_accuracy"),
    ),
    "3.12": (
        Panel("3.11", "vgg16", "sgd", "loss"),
        Panel("3.11", "vgg16", "sgd", "test_accuracy"),
    ),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Draw one of the thesis's figures of training curves from your own runs."""

    example: ClassVar[str] = "python -m experiments figure 3.9 --runs runs/table-3.8"
    figure: Annotated[str, tyro.conf.Positional]
    """3.7, 3.9 or 3.12."""
    runs: tuple[Path, ...] = (Path("runs"),)
    """Where to look for runs; `table` puts them under runs/ by default."""
    out: Path | None = None
    """File for the picture; by default, figure-NUMBER.png."""


def run(config: Config) -> None:
    from experiments.report import groups, style
    from experiments.runs.run_directory import find_runs

    if config.figure not in FIGURES:
        raise UserError(
            f"unknown figure {config.figure!r}: choose from {', '.join(FIGURES)}; "
            "`figures` draws those of chapters 1 and 2"
        )
    panels = FIGURES[config.figure]
    roots = [path for path in config.runs if path.exists()]
    runs = find_runs(roots)
    parts = [[run for run in runs if _belongs(run.config, panel)] for panel in panels]
    for panel, part in zip(panels, parts):
        words = f"{panel.model} with {panel.optimizer}"
        if not part:
            raise UserError(
                f"no finished run of {words} is under "
                f"{', '.join(map(str, config.runs))}: run `table {panel.table} "
                f"--optimizers {panel.optimizer}` first"
            )
        if differing := groups.differences(part):
            raise UserError(
                f"the runs of {words} differ in {', '.join(differing)}: give --runs "
                "the directory of one table"
            )
    out = config.out or Path(f"figure-{config.figure}.png")
    drawing = style.Drawing()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        drawing.of(functools.partial(_draw, panels, parts), out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error}") from error
    drawing.raise_failures()
    print(out)


def _draw(panels: Sequence[Panel], parts: Sequence[Sequence[Run]], out: Path) -> None:
    from experiments.report import curves, style, tables

    count = len(panels)
    with style.picture(out, count, count, 3.6, 3.0) as axes:
        for axis, panel, part in zip(axes[0], panels, parts):
            curves.draw_quantity(axis, part, panel.quantity)
            axis.set_ylabel(curves.QUANTITIES[panel.quantity][0])
            axis.set_title(style.wrapped(tables.title(part), 2.9, 7), fontsize=7)


def _belongs(config, panel: Panel) -> bool:
    return (
        config.dataset == TABLES[panel.table].dataset
        and config.model == panel.model
        and config.optimizer == panel.optimizer
        and config.swa_start is None
        and config.validation is None
    )
