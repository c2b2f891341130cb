"""What the study of the annealing methods measures."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from experiments.errors import UserError
from experiments.study import cases, command, registry


@dataclasses.dataclass(frozen=True)
class Config(command.Options):
    """Compare the four diffusions on objectives with known minima; time their escapes.

    Each method is tuned over the same number of settings and evaluated on fresh chains,
    with equal numbers of evaluations of U. Gradient descent and random points are the
    controls. The command writes rows, tables.md and pictures. It saves measurements as
    it makes them: after Ctrl-C, SIGTERM or a closed terminal, --resume continues.
    """

    example: ClassVar[str] = (
        "python -m experiments anneal --objectives rastrigin --dimensions 2 "
        "--out annealing"
    )
    out: Path = Path("annealing")
    """Directory of the study."""
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

    def options(self) -> dict[str, Any]:
        """The options that the rows depend on: all that are this study's own."""
        shared = {"out", *(field.name for field in dataclasses.fields(command.Options))}
        names = [field.name for field in dataclasses.fields(self)]
        return {name: getattr(self, name) for name in names if name not in shared}

    def check(self) -> None:
        """Raise UserError for what cannot be measured."""
        from experiments.annealing.objectives import OBJECTIVES

        cases.check_names("objectives", self.objectives, OBJECTIVES)
        for name, values in self.options().items():
            values = values if isinstance(values, tuple) else (values,)
            numbers = [x for x in values if not isinstance(x, str)]
            if not values or not all(x > 0 for x in numbers):
                option = name.replace("_", "-")
                raise UserError(f"--{option} needs values; numbers greater than 0")
        if self.steps % self.records:
            raise UserError(
                f"--steps {self.steps} must be a multiple of --records {self.records}"
            )


def run(config: Config) -> None:
    command.run(registry.study("anneal"), config)
