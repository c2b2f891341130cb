"""`table`: all runs of one of the thesis's tables, or of the table on digits."""

import dataclasses
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from experiments.config import options
from experiments.config.arms import ArmName
from experiments.config.optimizers import OptimizerName
from experiments.config.run import RunConfig
from experiments.config.tables import PUBLISHED, TABLES
from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Config(options.Pairs):
    """Run a whole table: digits, or one of the thesis's by its number, such as 3.5."""

    example: ClassVar[str] = (
        "python -m experiments table 3.8 --optimizers sgd --epochs 20"
    )
    table: Annotated[str, tyro.conf.Positional] = "digits"
    """digits, 3.5, 3.6, 3.8, 3.10, 3.11, C.1, or all of the thesis's."""
    optimizers: tuple[OptimizerName, ...] = ()
    """Rows of the table; by default, all: only SGD in C.1, otherwise all four."""
    arms: tuple[ArmName, ...] = ()
    """Arms of each optimizer; by default, the table's own: base and lm."""


def run(config: Config) -> None:
    from experiments.commands import present
    from experiments.machine.setup import set_up

    config.check()
    base = config.out or Path("runs")
    if config.table == "all":
        # One directory per table. The time budget and the shard apply to each table.
        chosen = {name: base / f"table-{name}" for name in PUBLISHED}
        chosen = {n: out for n, out in chosen.items() if rows_of(n, config)}
    elif config.table in TABLES:
        chosen = {config.table: config.out or base / f"table-{config.table}"}
    else:
        raise UserError(
            f"unknown table {config.table!r}: choose from {', '.join(TABLES)}, all"
        )
    # All tables first: an error in the last is found before the first trains.
    sweeps = [(runs_of(name, config), out) for name, out in chosen.items()]
    if not config.dry_run:
        set_up(config)
    for configs, out in sweeps:
        options.show_remarks(configs)
        present.run_and_present(configs, out, config)


def rows_of(name: str, config: Config) -> list[OptimizerName]:
    """The table's optimizers that were requested."""
    of_table = TABLES[name].optimizers
    return [o for o in config.optimizers or of_table if o in of_table]


def runs_of(name: str, config: Config) -> list[RunConfig]:
    """The configurations of a table."""
    table, optimizers = TABLES[name], rows_of(name, config)
    if not optimizers:
        raise UserError(
            f"table {name} has only {', '.join(table.optimizers)}: include one of them "
            "in --optimizers"
        )
    given = dataclasses.replace(
        config,
        arms=config.arms or table.arms,
        epochs=table.epochs if config.epochs is None else config.epochs,
        augment=table.augment if config.augment is None else config.augment,
    )
    return [
        one
        for network in table.networks
        for optimizer in optimizers
        for one in given.runs(table.dataset, network, optimizer, table.swa)
    ]
