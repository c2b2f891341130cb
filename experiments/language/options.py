"""What the study trains: cases of a network, an optimizer and an arm."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from experiments.study import cases, command, registry

FIRST_SEED = 5000
_FIRST = ("base", "lm", "lm_after", "clip", "warmup")
_REST = (
    "mean_after", "warmup_cosine", "lm_after_warmup", "update_clip", "clip_03",
    "clip_3",
)  # fmt: skip
_OF_SIOW = ("base", "lm_c0", "lm", "mean_scale", "eps_l2", "eps", "l2")
# In the order in which they are run.
PLAN = (
    ("transformer", "adamw", _FIRST),
    ("lstm", "adabelief", _OF_SIOW),
    ("transformer", "adamw", _REST),
    ("lstm", "adamw", (*_FIRST, *_REST)),
)
QUICK_PLAN = (("transformer", "adamw", ("base", "lm", "lm_after", "clip")),)


@dataclasses.dataclass(frozen=True)
class Shape:
    """The size of a network, and of what it reads."""

    context: int = 64  # characters
    width: int = 64  # of embeddings, and of the transformer's layers
    depth: int = 2  # of the transformer
    heads: int = 4
    hidden: int = 128  # of the LSTM


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much a study of one size trains."""

    text: str  # "shakespeare" or "descriptions"
    seeds: int
    steps: int
    warmup: int  # steps
    batch: int  # sequences
    every: int = 1  # of the learning rates
    window: int = 100  # steps before one that may be a spike
    judged: int = 256  # sequences of the held-out and of the test text
    shape: Shape = Shape()


WHOLE = Sizes("shakespeare", seeds=12, steps=300, warmup=30, batch=8)
QUICK = Sizes("descriptions", seeds=2, steps=120, warmup=12, batch=8, every=2)


class Case(NamedTuple):
    """All seeds and learning rates of one network, optimizer and arm."""

    model: str
    optimizer: str
    arm: str

    @property
    def name(self) -> str:
        return "-".join(self)

    @classmethod
    def named(cls, name: str) -> "Case":
        """The case of that name; raises ValueError for what is none."""
        if name not in {case.name for case in _planned()}:
            raise ValueError(f"unknown case {name!r}")
        return cls(*name.split("-"))


def _planned(quick: bool = False) -> list[Case]:
    return [
        Case(model, optimizer, arm)
        for model, optimizer, arms in (QUICK_PLAN if quick else PLAN)
        for arm in arms
    ]


@dataclasses.dataclass(frozen=True)
class Config(command.Options):
    """Train a character transformer and an LSTM over learning rates, arm by arm.

    It measures how sensitive each arm is to the learning rate, loss spikes, and the
    loss at each arm's best rate, on paired seeds. An arm's rows are written when it is
    finished. Ctrl-C, SIGTERM, a closed terminal or --time-budget stop the command, and
    --resume continues it. The command writes rows, tables.md and pictures. The default
    plan takes hours on two cores, --quick about two minutes.
    """

    example: ClassVar[str] = "python -m experiments language --quick --arms base lm"
    out: Path = Path("language")
    """Directory of the study."""
    data_dir: Path | None = None
    """A tensorflow_datasets directory, for Tiny Shakespeare; by default, that package's
    own. A machine without network access needs tinyshakespeare.txt in --cache-dir."""
    models: tuple[str, ...] | None = None
    """Networks: transformer, lstm; by default, both."""
    optimizers: tuple[str, ...] | None = None
    """Optimizers: adamw, and adabelief (for the LSTM); by default, both."""
    arms: tuple[str, ...] | None = None
    """Arms, such as base, lm, lm_after, clip and warmup; by default, all of the
    plan."""
    seeds: int | None = None
    """Number of seeds, which count from 5000; by default, 12, or 2 with --quick."""
    quick: bool = False
    """A transformer with four arms on scikit-learn's descriptions of its data sets,
    which need no download: about two minutes."""

    def cases(self) -> list[Case]:
        """The requested cases of the plan.

        Raises:
          UserError: a name is unknown, or nothing is left.
        """
        cases.check_seeds(self.seeds)
        planned = _planned(self.quick)
        models, optimizers, arms = map(dict.fromkeys, zip(*planned))
        return cases.selected(
            planned,
            models=(models, self.models),
            optimizers=(optimizers, self.optimizers),
            arms=(arms, self.arms),
        )

    @property
    def sizes(self) -> Sizes:
        return QUICK if self.quick else WHOLE

    def seed_numbers(self) -> Sequence[int]:
        return range(FIRST_SEED, FIRST_SEED + (self.seeds or self.sizes.seeds))

    def rates(self, case: Case) -> tuple[float, ...]:
        from experiments.language.arms import OPTIMIZERS

        return OPTIMIZERS[case.optimizer].rates[:: self.sizes.every]


def run(config: Config) -> None:
    command.run(registry.study("language"), config)
