"""What the study of the annealing methods measures."""

import dataclasses

from experiments.errors import UserError
from experiments.study import cases


@dataclasses.dataclass(frozen=True)
class Plan:
    """The objectives, and how much to spend on each."""

    objectives: tuple[str, ...] = (
        "rastrigin",
        "ackley",
        "griewank",
        "schwefel",
        "levy",
        "styblinski_tang",
    )
    """Some of them; see experiments/annealing/objectives.py."""
    dimensions: tuple[int, ...] = (2, 5)
    """Dimensions of each objective."""
    steps: int = 2000
    """Evaluations per chain."""
    chains: int = 100
    """Chains per trial."""
    settings: int = 16
    """Settings over which each method is tuned."""
    tunings: int = 24
    """Repetitions of the study, each with other settings, starts and noise."""
    records: int = 50
    """Points of a convergence curve."""
    barriers: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5)
    """Barrier heights of the double well; the last is used over temperatures."""
    temperatures: tuple[float, ...] = (0.3, 0.4, 0.5, 0.7, 1.0)
    """Temperatures in the double well; the first is used over barriers."""
    escape_steps: int = 400_000
    """Steps after which a chain that has not crossed the barrier is stopped."""

    def check(self) -> None:
        """Raise UserError for what cannot be measured."""
        from experiments.annealing.objectives import OBJECTIVES

        cases.check_names("objectives", self.objectives, OBJECTIVES)
        for field in dataclasses.fields(Plan):
            values = getattr(self, field.name)
            values = values if isinstance(values, tuple) else (values,)
            numbers = [x for x in values if not isinstance(x, str)]
            if not values or not all(x > 0 for x in numbers):
                option = field.name.replace("_", "-")
                raise UserError(f"--{option} needs values; numbers greater than 0")
        if self.steps % self.records:
            raise UserError(
                f"--steps {self.steps} must be a multiple of --records {self.records}"
            )
