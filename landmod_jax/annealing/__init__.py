"""Simulated annealing and Metropolis chains on U and on the modified landscape.

result = anneal(
    energy, x0, key, method="improved", steps=10_000, step_size=1e-3, temperature=0.5
)
result.best_x, result.best_value
"""

from landmod_jax.annealing import spins
from landmod_jax.annealing._anneal import AnnealResult, anneal
from landmod_jax.annealing._cooling import geometric, logarithmic
from landmod_jax.annealing._diffusion_kernel import (
    AnnealState,
    Trajectory,
    diffusion_kernel,
)
from landmod_jax.annealing._kernel import Kernel
from landmod_jax.annealing._methods import METHODS, MethodName
from landmod_jax.annealing._metropolis import (
    MetropolisResult,
    MetropolisState,
    MetropolisTrajectory,
    Moves,
    metropolis,
)
from landmod_jax.annealing._metropolis_kernel import metropolis_kernel
from landmod_jax.annealing._reweighting import Expectation, expectation, log_weights
from landmod_jax.annealing._transforms import LangevinNoiseState, langevin_noise

__all__ = [
    "METHODS",
    "AnnealResult",
    "AnnealState",
    "Expectation",
    "Kernel",
    "LangevinNoiseState",
    "MethodName",
    "MetropolisResult",
    "MetropolisState",
    "MetropolisTrajectory",
    "Moves",
    "Trajectory",
    "anneal",
    "diffusion_kernel",
    "expectation",
    "geometric",
    "langevin_noise",
    "log_weights",
    "logarithmic",
    "metropolis",
    "metropolis_kernel",
    "spins",
]
