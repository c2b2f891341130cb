"""`table`: every run of one of the thesis's tables, or of the one on digits."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro

from experiments import options
from experiments.config import OPTIMIZERS, Optimizer, RunConfig
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
    from experiments import present

    config.check()
    base = config.out or Path("runs")
    if config.table == "all":
        # A directory per table. The budget and the shard are each table's own.
        chosen = {name: base / f"table-{name}" for name in PUBLISHED}
        if "sgd" not in config.optimizers:
            chosen.pop("C.1")
    elif config.table in TABLES:
        chosen = {config.table: config.out or base / f"table-{config.table}"}
    else:
        raise UserError(
            f"unknown table {config.table!r}: choose from {', '.join(TABLES)}, all"
        )
    # All of them first: what is wrong with the last is known before the first trains.
    sweeps = [(runs_of(name, config), out) for name, out in chosen.items()]
    for configs, out in sweeps:
        options.show_remarks(configs)
        present.run_and_present(configs, out, config)


def runs_of(name: str, config: Config) -> list[RunConfig]:
    """The configurations of a table."""
    table = TABLES[name]
    if config.augment is None:
        config = dataclasses.replace(config, augment=table.augment)
    optimizers = config.optimizers
    if table.swa:
        if "sgd" not in optimizers:
            raise UserError(f"table {name} has SGD alone: leave sgd in --optimizers")
        optimizers = ("sgd",)
    return [
        each
        for model in table.models
        for optimizer in optimizers
        for each in config.runs(table.dataset, model, optimizer, table.swa)
    ]
