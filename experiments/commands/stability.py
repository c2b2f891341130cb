"""`stability`: which learning rates train, with landscape modification and without."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.stability.options import Plan
from experiments.study import command, registry


@dataclasses.dataclass(frozen=True)
class Config(command.Options, Plan):
    """Count collapsed runs over learning rates, arm by arm, on paired seeds.

    One program trains every seed and learning rate of an arm. An arm's rows are written
    when it is finished. Ctrl-C, SIGTERM, a closed terminal or --time-budget stop the
    command, and --resume runs the missing arms. The command writes rows, tables.md and
    pictures. The default plan takes hours on two cores, --quick minutes.
    """

    example: ClassVar[str] = (
        "python -m experiments stability --quick --tasks mlp12 --optimizers sgd"
    )
    out: Path = Path("stability")
    """Directory of the study."""
    data_dir: Path | None = None
    """A tensorflow_datasets directory, for CIFAR-10; by default, that package's own."""


def run(config: Config) -> None:
    command.run(registry.study("stability"), config)
