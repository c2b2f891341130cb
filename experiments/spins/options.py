"""What the study of spin systems measures, and the size of each part."""

import dataclasses

PARTS = ("tunnelling", "tunnelling-again", "search", "speed")


@dataclasses.dataclass(frozen=True)
class Plan:
    """The parts of the study, and their size."""

    parts: tuple[str, ...] = PARTS
    """tunnelling (Curie–Weiss, against exact times; tunneling will do),
    tunnelling-again (with other seeds and more chains), search (time to solution),
    speed (sweeps per second against NumPy and dwave-samplers)."""
    quick: bool = False
    """About a minute instead: fewer chains, settings, instances, temperatures and
    repetitions, and smaller systems."""

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
    speed_chains: int
    speed_sweeps: int
    repetitions: int


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
    speed_chains=1000,
    speed_sweeps=10,
    repetitions=5,
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
    speed_chains=100,
    speed_sweeps=2,
    repetitions=2,
)


def sizes(config: Plan) -> Sizes:
    return QUICK if config.quick else WHOLE
