"""What the study trains: parts of a network, an optimizer and a scenario."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from experiments.study import cases, command, registry

FIRST_SEED, TUNING_SEED = 5000, 9300  # the latter for the choice of the learning rate
FIRST_SEEDS, SEEDS, FEWER_SEEDS, QUICK_SEEDS, TUNING_SEEDS = 72, 48, 24, 8, 12
STEPS = 400
BATCH = 32
RARE_CLASSES = (8, 9)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What happens to the batches of a run.

    Attributes:
      name: on the command line and in rows.
      label: in tables and pictures.
      fault: what happens to bad batches: "inputs", "device", "scaled" or "gradient".
      share: of the batches that are bad, or rare.
      rare: whether those batches have the rare classes, which others then lack.
      mixed: whether the rare classes are spread over all batches instead.
      shift: whether labels are permuted from the middle of the run on.
      batch: images in a batch.
    """

    name: str
    label: str
    fault: str = ""
    share: float = 0.0
    rare: bool = False
    mixed: bool = False
    shift: bool = False
    batch: int = BATCH


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("rates", "choice of the learning rate"),
        Scenario("none", "no faults"),
        Scenario("inputs2", "inputs × 30, labels shuffled, 2%", "inputs", 0.02),
        Scenario("inputs0.5", "inputs × 30, labels shuffled, 0.5%", "inputs", 0.005),
        Scenario("inputs5", "inputs × 30, labels shuffled, 5%", "inputs", 0.05),
        Scenario("device2", "an eighth of the batch bad, 2%", "device", 0.02),
        Scenario("scaled2", "loss and gradient × 1000, 2%", "scaled", 0.02),
        Scenario("gradient2", "gradient × 1000, 2%", "gradient", 0.02),
        Scenario("rare3", "rare classes, 3%", share=0.03, rare=True),
        Scenario("rare1", "rare classes, 1%", share=0.01, rare=True),
        Scenario("rare10", "rare classes, 10%", share=0.1, rare=True),
        Scenario("small3", "rare classes, 3%, batches of 4", "", 0.03, True, batch=4),
        Scenario("mixed3", "rare classes, 3%, spread out", "", 0.03, True, mixed=True),
        Scenario("shift", "labels permuted half-way", shift=True),
    )
}
# The frontier: accuracy under these faults against accuracy on these rare classes.
FAULTS, RARE = "inputs2", "rare3"
_PRIMARY = (FAULTS, RARE, "none")
_SECONDARY = ("rare10", "scaled2", "gradient2", "device2")
# In the order in which they are run: (network, optimizers, scenarios, seeds).
PLAN = (
    ("mlp", ("adam", "sgd"), _PRIMARY, FIRST_SEEDS),
    ("mlp", ("adam", "sgd"), ("shift",), SEEDS),
    ("mlp", ("adam", "sgd"), ("rates",), TUNING_SEEDS),
    ("transformer", ("adam",), _PRIMARY, FEWER_SEEDS),
    ("transformer", ("adam",), ("rates",), TUNING_SEEDS),
    ("mlp", ("adam", "sgd"), _SECONDARY, SEEDS),
    ("mlp", ("adam",), ("inputs0.5", "inputs5", "rare1", "small3", "mixed3"), SEEDS),
    ("rnn", ("adam", "sgd"), _PRIMARY, FEWER_SEEDS),
    ("rnn", ("adam", "sgd"), ("rates",), TUNING_SEEDS),
    ("conv", ("adam",), _PRIMARY, FEWER_SEEDS),
    ("conv", ("adam",), ("rates",), TUNING_SEEDS),
)  # fmt: skip
QUICK = (("mlp", ("adam",), _PRIMARY, QUICK_SEEDS),)
NETWORKS = tuple(dict.fromkeys(network for network, *_ in PLAN))
OPTIMIZERS = ("sgd", "adam")


class Case(NamedTuple):
    """All arms of a network, an optimizer and a scenario."""

    network: str
    optimizer: str
    scenario: str

    @property
    def name(self) -> str:
        return "-".join(self)

    @classmethod
    def named(cls, name: str) -> "Case":
        """The case of that name; raises ValueError for what is none."""
        return cases.named(cls, name, NETWORKS, OPTIMIZERS, SCENARIOS)


@dataclasses.dataclass(frozen=True)
class Config(command.Options):
    """Train with bad batches, and with rare ones, under remedies of every strength.

    All arms of a network, an optimizer and a scenario are one case: plain, LM before
    and after the optimizer, clipping, z-score clipping, skipped steps, AdaGC and update
    clipping. Rows are written when a case is finished. Ctrl-C, SIGTERM, a closed
    terminal or --time-budget stop the command, and --resume runs the rest.
    """

    example: ClassVar[str] = "python -m experiments batches --quick"
    out: Path = Path("batches")
    """Directory of the study."""
    networks: tuple[str, ...] | None = None
    """Some of mlp, transformer, rnn and conv; by default, all."""
    optimizers: tuple[str, ...] | None = None
    """Some of sgd and adam; by default, the plan's for each network."""
    scenarios: tuple[str, ...] | None = None
    """Some of rates, none, inputs0.5, inputs2, inputs5, device2, scaled2, gradient2,
    rare1, rare3, rare10, small3, mixed3 and shift; by default, the plan's for each
    network."""
    seeds: int | None = None
    """Number of seeds, which count from 5000; by default, 72 or 48 for mlp and 24 for
    the other networks, or 8 with --quick."""
    quick: bool = False
    """Three scenarios, 8 seeds and every second strength: under two minutes on two
    cores."""

    def cases(self) -> dict[Case, int]:
        """The requested cases of the plan, in order, with their numbers of seeds.

        Raises:
          UserError: a name is unknown, or nothing is left.
        """
        cases.check_seeds(self.seeds)
        planned = {
            Case(network, optimizer, scenario): self.seeds or seeds
            for network, optimizers, scenarios, seeds in (QUICK if self.quick else PLAN)
            for optimizer in optimizers
            for scenario in scenarios
        }
        chosen = cases.selected(
            planned,
            networks=(NETWORKS, self.networks),
            optimizers=(OPTIMIZERS, self.optimizers),
            scenarios=(SCENARIOS, self.scenarios),
        )
        return {case: planned[case] for case in chosen}

    def seed_numbers(self, case: Case) -> Sequence[int]:
        first = TUNING_SEED if case.scenario == "rates" else FIRST_SEED
        return range(first, first + self.cases()[case])


def run(config: Config) -> None:
    command.run(registry.study("batches"), config)
