"""What the study of spin systems measures, and the size of each part."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.study import command, registry

PARTS = ("tunnelling", "tunnelling-again", "search")


@dataclasses.dataclass(frozen=True)
class Config(command.Options):
    """Time Metropolis chains with and without LM: tunneling and search.

    Tunneling times of the Curie–Weiss model are compared with exact ones. In the
    search, each method is tuned over the same settings and evaluated on other
    instances. The controls are parallel tempering, plain Metropolis at LM's temperature
    and, if it is installed, the annealer of dwave-samplers. The command writes rows,
    tables.md and pictures. After Ctrl-C or SIGTERM, --resume continues it.
    """

    example: ClassVar[str] = "python -m experiments spins --quick --parts tunneling"
    out: Path = Path("spins")
    """Directory of the study."""
    parts: tuple[str, ...] = PARTS
    """tunnelling (Curie–Weiss, against exact times; tunneling will do),
    tunnelling-again (with other seeds and more chains), search (time to solution)."""
    quick: bool = False
    """About a minute instead: fewer chains, settings, instances and temperatures, and
    smaller systems."""

    def __post_init__(self) -> None:
        parts = tuple(part.replace("tunneling", "tunnelling") for part in self.parts)
        object.__setattr__(self, "parts", parts)


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much a study of one size does."""

    spins: tuple[int, ...]  # of the Curie–Weiss model
    temperatures: tuple[float, ...]
    tunnelling_chains: int
    again_chains: int  # of the second sample
    again_few: int  # of its longer cases
    chains: int  # of a trial of the search
    settings: int  # settings over which each method is tuned
    training: int  # instances for that
    instances: int  # other instances, for the evaluation
    sweeps: tuple[int, ...]  # lengths that a setting may have


WHOLE = Sizes(
    spins=(10, 20, 50),
    temperatures=(0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    tunnelling_chains=500,
    again_chains=10_000,
    again_few=500,
    chains=128,
    settings=8,
    training=1,
    instances=10,
    sweeps=(16, 64, 256),
)
QUICK = Sizes(
    spins=(10,),
    temperatures=(0.8, 0.9),
    tunnelling_chains=200,
    again_chains=400,
    again_few=0,
    chains=32,
    settings=2,
    training=1,
    instances=4,
    sweeps=(8, 16),
)


def sizes(config: Config) -> Sizes:
    return QUICK if config.quick else WHOLE


def run(config: Config) -> None:
    command.run(registry.study("spins"), config)
