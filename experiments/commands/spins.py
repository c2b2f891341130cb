"""`spins`: Metropolis chains on spin systems, with and without LM."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.spins.options import Plan
from experiments.study import command, registry


@dataclasses.dataclass(frozen=True)
class Config(command.Options, Plan):
    """Time Metropolis chains with and without LM: tunneling, search and speed.

    Tunneling times of the Curie–Weiss model are compared with exact ones. In the
    search, each method is tuned over the same settings and evaluated on other
    instances. The controls are parallel tempering, plain Metropolis at LM's temperature
    and, if it is installed, the annealer of dwave-samplers. The command writes rows,
    tables.md and pictures. After Ctrl-C or SIGTERM, --resume continues it.
    """

    example: ClassVar[str] = "python -m experiments spins --quick --parts tunneling"
    out: Path = Path("spins")
    """Directory of the study."""


def run(config: Config) -> None:
    command.run(registry.study("spins"), config)
