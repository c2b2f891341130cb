"""`collect`: keep finished runs as rows of a study under results/."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from experiments.errors import UserError
from experiments.machine.locks import locked


@dataclasses.dataclass(frozen=True)
class Config:
    """Add finished runs to the rows of a study; `results` makes tables from them."""

    example: ClassVar[str] = "python -m experiments collect runs --out results/my-study"
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Directories to search for runs, with everything below them."""
    out: Path
    """The study's directory, such as results/nn2-cifar10."""


def run(config: Config) -> None:
    from experiments.runs import rows, run_directory

    new = run_directory.find_some_runs(config.runs)
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        with locked(config.out / ".collect.lock", lambda: _wait(config.out)):
            old = rows.read(config.out) if (config.out / "runs.csv").exists() else []
            together = run_directory.distinct([*old, *new])
            rows.write(together, config.out)
    except OSError as error:
        raise UserError(f"cannot write the study {config.out}: {error}") from error
    print(f"{config.out}: {len(together)} runs, {len(together) - len(old)} of them new")


def _wait(study: Path) -> None:
    print(f"{study}: waiting for another collect to end", file=sys.stderr)
