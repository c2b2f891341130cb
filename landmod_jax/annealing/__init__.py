"""Simulated annealing on U and on the modified landscape (thesis, section 2.1).

result = anneal(
    energy, x0, key, method="improved", steps=10_000, step_size=1e-3, temperature=0.5
)
result.best_x, result.best_value
"""

from landmod_jax.annealing import objectives as objectives
from landmod_jax.annealing._cooling import geometric as geometric
from landmod_jax.annealing._cooling import logarithmic as logarithmic
from landmod_jax.annealing._methods import METHODS as METHODS
from landmod_jax.annealing._methods import MethodName as MethodName
from landmod_jax.annealing._run import AnnealResult as AnnealResult
from landmod_jax.annealing._run import AnnealState as AnnealState
from landmod_jax.annealing._run import Trajectory as Trajectory
from landmod_jax.annealing._run import anneal as anneal
from landmod_jax.annealing._transforms import (
    KineticLangevinState as KineticLangevinState,
)
from landmod_jax.annealing._transforms import LangevinNoiseState as LangevinNoiseState
from landmod_jax.annealing._transforms import kinetic_langevin as kinetic_langevin
from landmod_jax.annealing._transforms import langevin_noise as langevin_noise
