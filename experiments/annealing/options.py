"""What the study of the annealing methods measures."""

import dataclasses

from experiments.errors import UserError


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

        for name in self.objectives:
            if name not in OBJECTIVES:
                raise UserError(
                    f"unknown objective {name!r}: choose from {', '.join(OBJECTIVES)}"
                )
        for name in (
            "steps", "chains", "settings", "tunings", "records", "escape_steps",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise UserError(f"--{name.replace('_', '-')} must be at least 1")
        if self.steps % self.records:
            raise UserError(
                f"--steps {self.steps} must be a multiple of --records {self.records}"
            )
        for name in ("objectives", "dimensions", "barriers", "temperatures"):
            values = getattr(self, name)
            if not values:
                raise UserError(f"--{name} needs at least one value")
            if name != "objectives" and not all(value > 0 for value in values):
                raise UserError(f"--{name} must be greater than 0")
