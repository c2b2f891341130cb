"""What a study of the annealing methods measures."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Study:
    """The objectives, and how much is spent on each."""

    objectives: tuple[str, ...] = (
        "rastrigin",
        "ackley",
        "griewank",
        "schwefel",
        "levy",
        "styblinski_tang",
    )
    """Objectives, see landmod_jax.annealing.objectives."""
    dimensions: tuple[int, ...] = (2, 5)
    """Of each objective."""
    steps: int = 2000
    """Evaluations a chain."""
    chains: int = 200
    """Chains of a trial."""
    settings: int = 16
    """Settings that each method is tuned on."""
    tunings: int = 3
    """How often all of it is done, with other settings, starts and noise."""
    records: int = 50
    """Points of a convergence curve."""
    barriers: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5)
    """Heights of the double well; over temperatures, the last."""
    temperatures: tuple[float, ...] = (0.3, 0.4, 0.5, 0.7, 1.0)
    """Temperatures of the double well; over barriers, the first."""
    escape_steps: int = 400_000
    """After so many steps a chain that is not over the barrier is cut off."""
