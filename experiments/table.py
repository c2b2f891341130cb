"""`table`: every run of one of the thesis's tables, or of the one on digits."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from experiments import options
from experiments.config import ARMS, OPTIMIZERS, SEEDS, Arm, Optimizer
from experiments.errors import UserError

# number: (data set, network)
TABLES = {
    "digits": ("digits", "simple_cnn"),
    "3.5": ("cifar10", "nn2"),
    "3.6": ("cifar10", "preresnet110"),
    "3.8": ("cifar10", "vgg16"),
    "3.10": ("cifar100", "preresnet110"),
    "3.11": ("cifar100", "vgg16"),
}


@dataclasses.dataclass(frozen=True)
class Config(options.Execution, options.Protocol):
    """Run a whole table: digits, or one of the thesis's by its number, such as 3.5."""

    table: Annotated[str, tyro.conf.Positional] = "digits"
    """digits, 3.5, 3.6, 3.8, 3.10 or 3.11."""
    optimizers: tuple[Optimizer, ...] = OPTIMIZERS
    """The table's rows."""
    arms: tuple[Arm, ...] = ARMS
    """The optimizer alone (base), behind landscape modification (lm)."""
    seeds: tuple[int, ...] = SEEDS
    """A pair for each optimizer and seed."""


def run(config: Config) -> None:
    from experiments import present, sweep

    if config.table not in TABLES:
        raise UserError(
            f"unknown table {config.table!r}: choose from {', '.join(TABLES)}"
        )
    dataset, model = TABLES[config.table]
    out = config.out or Path("runs") / f"table-{config.table}"
    configs = [
        config.run(dataset, model, optimizer, arm, seed)
        for optimizer in config.optimizers
        for seed in config.seeds
        for arm in config.arms
    ]
    present.present(sweep.run_all(configs, out, config), out)
