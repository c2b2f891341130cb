"""`report`: one page about any number of runs, from their directories alone."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from experiments.errors import UserError
from experiments.rundir import Run


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
    from experiments import rundir

    runs = rundir.find_some_runs(config.runs)
    if config.tensorboard is not None:
        from experiments.events import write_events

        write_events(runs, config.tensorboard)
    try:
        write(runs, config.out, config.title)
    except OSError as error:
        raise UserError(f"cannot write a report to {config.out}: {error}") from error
    print(config.out / "report.html")


def write(runs: Sequence[Run], out: Path, title: str) -> None:
    """Write report.html and report.md on the runs to the directory `out`."""
    from experiments import tables

    write_page(runs, out, title)
    markdown = "\n".join(tables.markdown(group) for group in grouped(runs))
    (out / "report.md").write_text(f"# {title}\n\n{markdown}")


def write_page(runs: Sequence[Run], out: Path, title: str) -> None:
    """Write report.html alone."""
    from experiments import page, plots

    groups = grouped(runs)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        effects = Path(scratch) / "effects.svg"
        plots.draw_effects(groups, effects)
        sections = []
        for group in groups:
            pictures = plots.draw_curves(group, Path(scratch), "svg")
            sections.append(page.section(group, pictures, out))
        text = page.page(title, effects, sections, runs)
    (out / "report.html").write_text(text)


# What runs of one table have in common; the rest is its rows and columns.
_COMMON = (
    "swa_start",
    "epochs",
    "batch_size",
    "limit_train",
    "precision",
    "eval_mode",
    "validation",
    "until_above_chance",
    "init_from",
    "augment",
)


def grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs that belong in one table each, in a table's order of seeds and arms."""
    groups: dict[tuple, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.config.seed, _arm_place(run))):
        config = run.config
        common = tuple(getattr(config, name) for name in _COMMON)
        groups.setdefault((config.dataset, config.model, *common), []).append(run)
    return [groups[key] for key in sorted(groups, key=str)]


def _arm_place(run: Run) -> int:
    from experiments.config import ARM_FIELDS

    return list(ARM_FIELDS).index(run.config.arm)
