"""`collect`: keep finished runs as rows of a study under results/."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro


@dataclasses.dataclass(frozen=True)
class Config:
    """Add finished runs to the rows of a study; `results` makes its tables of them."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Directories with runs at or below them."""
    out: Path
    """The study's directory, such as results/nn2-cifar10."""


def run(config: Config) -> None:
    from experiments import rows, rundir

    found = rundir.find_some_runs(config.runs)
    old = rows.read(config.out) if (config.out / "runs.csv").exists() else []
    together = rows.merged(old, found)
    rows.write(together, config.out)
    print(f"{config.out}: {len(together)} runs, {len(together) - len(old)} of them new")
