"""`table`: every run of one of the thesis's tables, or of the one on digits."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro

from experiments import options
from experiments.config import OPTIMIZERS, Optimizer
from experiments.errors import UserError


class Table(NamedTuple):
    dataset: str
    models: tuple[str, ...]
    swa: bool = False  # SGD alone, with weight averaging
    augment: bool | None = None  # where it is not the data set's own default


TABLES: Mapping[str, Table] = {
    "digits": Table("digits", ("simple_cnn",)),
    "3.5": Table("cifar10", ("nn2",), augment=False),  # see docs/reproduction.md
    "3.6": Table("cifar10", ("preresnet110",)),
    "3.8": Table("cifar10", ("vgg16",)),
    "3.10": Table("cifar100", ("preresnet110",)),
    "3.11": Table("cifar100", ("vgg16",)),
    "C.1": Table("cifar100", ("preresnet110", "vgg16"), swa=True),
}
PUBLISHED = tuple(name for name in TABLES if name != "digits")


@dataclasses.dataclass(frozen=True)
class Config(options.Pairs):
    """Run a whole table: digits, or one of the thesis's by its number, such as 3.5."""

    table: Annotated[str, tyro.conf.Positional] = "digits"
    """digits, 3.5, 3.6, 3.8, 3.10, 3.11, C.1, or all of the thesis's."""
    optimizers: tuple[Optimizer, ...] = OPTIMIZERS
    """The table's rows; C.1 has SGD alone."""


def run(config: Config) -> None:
    if config.table == "all":
        # A directory per table. The budget and the shard are each table's own.
        for name in PUBLISHED:
            out = (config.out or Path("runs")) / f"table-{name}"
            run_table(name, out, config)
        return
    if config.table not in TABLES:
        raise UserError(
            f"unknown table {config.table!r}: choose from {', '.join(TABLES)}, all"
        )
    run_table(
        config.table, config.out or Path("runs") / f"table-{config.table}", config
    )


def run_table(name: str, out: Path, config: Config) -> None:
    """Run what is missing of a table, and present it."""
    from experiments import present

    table = TABLES[name]
    if config.augment is None:
        config = dataclasses.replace(config, augment=table.augment)
    configs = [
        each
        for model in table.models
        for optimizer in (("sgd",) if table.swa else config.optimizers)
        for each in config.runs(table.dataset, model, optimizer, table.swa)
    ]
    present.run_and_present(configs, out, config)
