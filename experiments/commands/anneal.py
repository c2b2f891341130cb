"""`anneal`: the study of the diffusions behind landscape modification."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.annealing.options import Plan
from experiments.study import command, registry


@dataclasses.dataclass(frozen=True)
class Config(command.Options, Plan):
    """Compare the four diffusions on objectives with known minima; time their escapes.

    Each method is tuned over the same number of settings and evaluated on fresh chains,
    with equal numbers of evaluations of U. Gradient descent and random points are the
    controls. The command writes rows, tables.md and pictures. It saves measurements as
    it makes them: after Ctrl-C, SIGTERM or a closed terminal, --resume continues.
    """

    example: ClassVar[str] = (
        "python -m experiments anneal --objectives rastrigin --dimensions 2 "
        "--out annealing"
    )
    out: Path = Path("annealing")
    """Directory of the study."""


def run(config: Config) -> None:
    command.run(registry.study("anneal"), config)
