"""What the study trains: cases of a task, an optimizer and an arm."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from experiments.config.optimizers import OPTIMIZERS
from experiments.errors import UserError
from experiments.stability.arms import ARMS, VARIANTS

FIRST_SEED = 2000
SEEDS = 48
# Every arm meets SGD and Adam on the network that the question arose with. The other
# networks have LM ahead and after, and the remedies that it competes with.
_FIRST = (
    "base", "lm", "lm_after", "lm_c0", "clip", "momo", "mean_scale", "shuffled_scale",
    "warmup",
)  # fmt: skip
_REST = ("lm_clip", "cosine", "polyak")
_FEW = ("base", "lm", "lm_after", "clip", "momo")
# In the order in which they are run: (task, optimizers, arms).
PLAN = (
    ("mlp12", ("sgd", "adam"), _FIRST),
    ("mlp12", ("sgd", "adam"), _REST),
    ("mlp6", ("sgd", "adam"), _FEW),
    ("rnn", ("sgd", "adam"), _FEW),
    ("mlp12", ("rmsprop", "adagrad"), _FEW),
    ("mlp24", ("sgd", "adam"), _FEW),
    ("mlp12", ("sgd", "adam"), tuple(VARIANTS)),
    ("conv10", ("sgd", "adam"), (*_FEW, *VARIANTS)),
    ("cifar10", ("sgd", "adam"), _FEW),
)
# About nine minutes of a core a case, or more: run only where it is asked for by name.
LONG = ("conv10", "cifar10")
QUICK = (("mlp12", ("sgd", "adam"), ("base", "lm", "lm_after", "clip")),)
QUICK_SEEDS = 8


class Case(NamedTuple):
    """All seeds and learning rates of one task, optimizer and arm."""

    task: str
    optimizer: str
    arm: str

    @property
    def name(self) -> str:
        return "-".join(self)


@dataclasses.dataclass(frozen=True)
class Study:
    """Which cases are run, and on how many seeds."""

    tasks: tuple[str, ...] | None = None
    """Networks: mlp6, mlp12, mlp24, rnn, conv10, cifar10; by default, all but the last
    two, which are best run on a GPU."""
    optimizers: tuple[str, ...] | None = None
    """Those of sgd, adam, rmsprop, adagrad; by default, the plan's for each task."""
    arms: tuple[str, ...] | None = None
    """As of `compare`, and lm_sqrt, lm_quadratic, lm_bounded, lm_smoothed and
    lm_windowed; by default, the plan's for each task and optimizer."""
    seeds: int = SEEDS
    """How many seeds, from 2000 on."""
    quick: bool = False
    """Four arms, 8 seeds, every second learning rate: minutes on two cores."""

    def cases(self) -> list[Case]:
        """The plan's cases that were asked for; with `arms`, these in place of its.

        Raises:
          UserError: a name is unknown, or nothing is left.
        """
        from experiments.stability.tasks import TASKS

        for option, names, known in (
            ("tasks", self.tasks, TASKS),
            ("optimizers", self.optimizers, OPTIMIZERS),
            ("arms", self.arms, ARMS),
        ):
            for name in names or ():
                if name not in known:
                    choices = ", ".join(known)
                    raise UserError(f"--{option} {name!r}: choose from {choices}")
        if self.seeds < 1:
            raise UserError(f"--seeds must be at least 1, got {self.seeds}")
        plan = QUICK if self.quick else PLAN
        planned = [
            Case(task, optimizer, arm)
            for task, optimizers, arms in plan
            for optimizer in self.optimizers or optimizers
            for arm in self.arms or arms
        ]
        tasks = self.tasks or set(TASKS) - set(LONG)
        chosen = [
            case
            for case in dict.fromkeys(planned)
            if case.task in tasks and ARMS[case.arm].serves(case[1])
        ]
        if not chosen:
            raise UserError("no case of the plan is of these tasks and optimizers")
        return chosen

    def seed_numbers(self) -> Sequence[int]:
        count = min(self.seeds, QUICK_SEEDS) if self.quick else self.seeds
        return range(FIRST_SEED, FIRST_SEED + count)

    def rates(self, case: Case) -> tuple[float, ...]:
        from experiments.stability.tasks import rates

        return rates(case.task, case.optimizer)[:: 2 if self.quick else 1]
