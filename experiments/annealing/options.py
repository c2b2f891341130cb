"""What the study of the annealing methods measures."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Study:
    """The objectives, and how much to spend on each."""

    objectives: tuple[str, ...] = (
        "rastrigin",
        "ackley",
        "griewank",
        "schwefel",
        "levy",
        "styblinski_tang",
    )
    """Objectives; see experiments/annealing/objectives.py."""
    dimensions: tuple[int, ...] = (2, 5)
    """Dimensions of each objective."""
    steps: int = 2000
    """Evaluations per chain."""
    chains: int = 200
    """Chains per trial."""
    settings: int = 16
    """Settings over which each method is tuned."""
    tunings: int = 3
    """Repetitions of the study, each with other settings, starts and noise."""
    records: int = 50
    """Points of a convergence curve."""
    barriers: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5)
    """Barrier heights of the double well; the last is used over temperatures."""
    temperatures: tuple[float, ...] = (0.3, 0.4, 0.5, 0.7, 1.0)
    """Temperatures in the double well; the first is used over barriers."""
    escape_steps: int = 400_000
    """Steps after which a chain that has not crossed the barrier is stopped."""
