"""What the study trains: cases of a task, an optimizer and an arm."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from experiments.config.arms import LM
from experiments.config.optimizers import OPTIMIZERS
from experiments.stability.arms import ARMS, VARIANTS
from experiments.study import cases, command, registry

FIRST_SEED = 6000
SEEDS = 48
_OURS = ("base", "lm", "lm_after")
_CLIPS = ("clip0.3", "clip", "clip3", "clip10")
_AFTER = ("clip_after0.1", "clip_after0.3", "clip_after", "clip_after3")
_OTHERS = ("momo_cap", "warmup_cosine")
_FEW = (*_OURS, "clip", *_OTHERS)
# In the order in which they are run: (task, optimizers, arms).
PLAN = (
    *(
        plan
        for task in ("mlp12", "mlp6", "rnn")
        for plan in (
            (task, ("sgd",), (*_OURS, *_CLIPS, *_OTHERS)),
            (task, ("adam",), (*_OURS, *_CLIPS, *_AFTER, *_OTHERS)),
        )
    ),
    ("mlp12", ("rmsprop", "adagrad"), (*_OURS, "clip")),
    ("mlp24", ("sgd", "adam"), _FEW),
    ("mlp12", ("sgd", "adam"), ("lm_c0", *VARIANTS)),
    ("conv10", ("sgd", "adam"), _FEW),
    ("cifar10", ("sgd", "adam"), _FEW),
)
# Nine minutes of a core per case or more, so they must be selected by name.
LONG = ("conv10", "cifar10")
QUICK = (("mlp12", ("sgd", "adam"), ("base", "lm", "lm_after", "clip")),)
QUICK_SEEDS = 8
CURVES_OF = 3  # seeds
KEYS = ("task", "optimizer", "arm")


class Case(NamedTuple):
    """All seeds and learning rates of one task, optimizer and arm."""

    task: str
    optimizer: str
    arm: str

    @property
    def name(self) -> str:
        return "-".join(self)

    @classmethod
    def named(cls, name: str) -> "Case":
        """The case of that name; raises ValueError for what is none."""
        from experiments.stability.tasks import TASKS

        return cases.named(cls, name, TASKS, OPTIMIZERS, ARMS)


@dataclasses.dataclass(frozen=True)
class Config(command.Options):
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
    tasks: tuple[str, ...] | None = None
    """Networks: mlp6, mlp12, mlp24, rnn, conv10, cifar10; by default, all but the last
    two, which are best run on a GPU."""
    optimizers: tuple[str, ...] | None = None
    """Some of sgd, adam, rmsprop, adagrad; by default, the plan's for each task."""
    arms: tuple[str, ...] | None = None
    """Arms of `compare`, and those of the study: LM with another f or c (lm_sqrt,
    lm_quadratic, lm_bounded, lm_smoothed, lm_windowed), clipping to another norm
    (clip0.3, clip3, clip10) or after the optimizer (clip_after0.1, clip_after0.3,
    clip_after, clip_after3), momo_cap, whose cap is the learning rate, warmup_cosine,
    and the controls of lm_after (mean_after, shuffled_after); by default, the plan's
    for each task and optimizer."""
    seeds: int | None = None
    """Number of seeds, which count from 6000; by default, 48, or 8 with --quick."""
    quick: bool = False
    """A plan of minutes on two cores instead: mlp12 with sgd and adam, four arms, every
    second learning rate, and 8 seeds. Other options choose from it, or replace its arms
    and seeds."""

    def cases(self) -> list[Case]:
        """The requested cases of the plan; `arms`, if given, replace the plan's.

        Raises:
          UserError: a name is unknown, or nothing is left.
        """
        from experiments.stability.tasks import TASKS

        cases.check_seeds(self.seeds)
        planned = [
            Case(task, optimizer, arm)
            for task, optimizers, arms in (QUICK if self.quick else PLAN)
            for optimizer in self.optimizers or optimizers
            for arm in self.arms or arms
            if (self.tasks or task not in LONG) and ARMS.get(arm, LM).serves(optimizer)
        ]
        return cases.selected(
            dict.fromkeys(planned),
            tasks=(TASKS, self.tasks),
            optimizers=(OPTIMIZERS, self.optimizers),
            arms=(ARMS, self.arms),
        )

    def seed_numbers(self) -> Sequence[int]:
        count = self.seeds or (QUICK_SEEDS if self.quick else SEEDS)
        return range(FIRST_SEED, FIRST_SEED + count)

    def rates(self, case: Case) -> tuple[float, ...]:
        from experiments.stability.tasks import rates

        return rates(case.task, case.optimizer)[:: 2 if self.quick else 1]


def run(config: Config) -> None:
    command.run(registry.study("stability"), config)
