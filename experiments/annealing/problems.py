"""The study's problems: an objective on the unit box, its start points, its target."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from experiments.annealing.objectives import OBJECTIVES, Objective

_SAMPLE = 4096
_ROUNDING = 1e-5  # of the spread; lower dents count as the minimum itself


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """An objective, its domain scaled to the unit box.

    Attributes:
      objective: in its own coordinates.
      spread: standard deviation of U over the domain, which a user can estimate from a
        few evaluations; it is the unit of energies.
      tolerance: a value within it of the minimum is a success. Half the height of the
        next-lowest dent along a coordinate axis through a minimizer, so that only a
        global minimum's own valley counts; where there is no other dent, spread / 100.
    """

    objective: Objective
    spread: float
    tolerance: float

    @property
    def name(self) -> str:
        return self.objective.name

    @property
    def dimension(self) -> int:
        return self.objective.dimension

    @functools.cached_property
    def scaled(self) -> Callable[[jax.Array, jax.Array], jax.Array]:
        """(scale, z) to U / scale at z of the unit box."""
        low, width = self.objective.low, self.objective.high - self.objective.low

        def energy(scale: jax.Array, z: jax.Array) -> jax.Array:
            return self.objective(low + width * z) / scale

        return energy

    def start(self, key: jax.Array, chains: int) -> jax.Array:
        """Uniform points of the unit box, (chains, d)."""
        return jax.random.uniform(key, (chains, self.dimension))


@functools.cache
def problem(name: str, dimension: int) -> Problem:
    """The problem of that name in d dimensions."""
    objective = OBJECTIVES[name](dimension)
    values = jax.jit(jax.vmap(objective.function))
    sample = values(objective.sample(jax.random.key(0), _SAMPLE))
    spread = float(np.std(sample))
    return Problem(objective, spread, _tolerance(objective, values, spread))


def _tolerance(objective: Objective, values: Callable, spread: float) -> float:
    line = np.linspace(objective.low, objective.high, 20_001)
    dents = []
    minimizer = np.asarray(objective.minimizers[0], np.float32)
    # In these objectives, all axes except the first and the last are equivalent.
    for axis in sorted({0, objective.dimension - 1}):
        points = np.repeat(minimizer[None], line.size, 0)
        points[:, axis] = line
        u = np.asarray(values(jnp.asarray(points)), np.float64) - objective.minimum
        inner = u[1:-1]
        lowest = inner[(inner < u[:-2]) & (inner <= u[2:])]
        dents += lowest[lowest > _ROUNDING * spread].tolist()
    return min(dents) / 2 if dents else spread / 100
