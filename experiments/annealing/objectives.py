"""Objectives with known global minima, in their usual domains.

Each function maps a point (d,) to a real scalar and is differentiable everywhere.
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Objective:
    """A function to minimize, and what is known about it.

    Attributes:
      name: for labels.
      function: maps a point (d,) to a real scalar.
      dimension: d.
      low, high: limits of the domain in each coordinate.
      minimizers: the global minimizers, each d numbers.
      minimum: the value at the minimizers.
    """

    name: str
    function: Callable[[jax.Array], jax.Array]
    dimension: int
    low: float
    high: float
    minimizers: tuple[tuple[float, ...], ...]
    minimum: float

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.function(x)

    def sample(self, key: jax.Array, chains: int) -> jax.Array:
        """Draw uniform points of the domain, (chains, d)."""
        shape = (chains, self.dimension)
        return jax.random.uniform(key, shape, minval=self.low, maxval=self.high)


def ackley(d: int = 2) -> Objective:
    """−20 exp(−0.2 √(mean x²)) − exp(mean cos 2πx) + 20 + e on [−32.768, 32.768]ᵈ.

    A shallow funnel full of dents, with a cone at its minimum. The gradient there is
    defined as 0.
    """
    return Objective("ackley", _ackley, d, -32.768, 32.768, ((0.0,) * d,), 0.0)


def _ackley(x: jax.Array) -> jax.Array:
    square = jnp.mean(x * x)
    zero = square == 0
    radius = jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, square)))
    dents = jnp.exp(jnp.mean(jnp.cos(2 * math.pi * x)))
    return 20 + math.e - 20 * jnp.exp(-0.2 * radius) - dents


def rastrigin(d: int = 2) -> Objective:
    """10d + Σ (x² − 10 cos 2πx) on [−5.12, 5.12]ᵈ: about 11ᵈ minima in a bowl."""
    return Objective("rastrigin", _rastrigin, d, -5.12, 5.12, ((0.0,) * d,), 0.0)


def _rastrigin(x: jax.Array) -> jax.Array:
    return 10 * x.size + jnp.sum(x * x - 10 * jnp.cos(2 * math.pi * x))


def griewank(d: int = 2) -> Objective:
    """1 + Σ x²/4000 − Π cos(xᵢ/√i) on [−600, 600]ᵈ: a wide bowl with small ripples."""
    return Objective("griewank", _griewank, d, -600.0, 600.0, ((0.0,) * d,), 0.0)


def _griewank(x: jax.Array) -> jax.Array:
    i = jnp.arange(1, x.size + 1, dtype=x.dtype)
    return 1 + jnp.sum(x * x) / 4000 - jnp.prod(jnp.cos(x / jnp.sqrt(i)))


_SCHWEFEL_MINIMIZER = 420.96874635998194  # of −x sin √x: tan √x = −√x / 2
_SCHWEFEL_BEST = _SCHWEFEL_MINIMIZER * math.sin(math.sqrt(_SCHWEFEL_MINIMIZER))


def schwefel(d: int = 2) -> Objective:
    """418.9829 d − Σ x sin √|x| on [−500, 500]ᵈ: the best valley is in a far corner.

    The function has no lower bound outside the domain, so pass bounds to `anneal`.
    """
    minimizer = (_SCHWEFEL_MINIMIZER,) * d
    return Objective("schwefel", _schwefel, d, -500.0, 500.0, (minimizer,), 0.0)


def _schwefel(x: jax.Array) -> jax.Array:
    zero = x == 0
    root = jnp.sqrt(jnp.where(zero, 1, jnp.abs(x)))
    return jnp.sum(_SCHWEFEL_BEST - jnp.where(zero, 0, x * jnp.sin(root)))


def levy(d: int = 2) -> Objective:
    """Levy's function on [−10, 10]ᵈ, with w = 1 + (x − 1)/4:

    sin²(πw₁) + Σ (wᵢ − 1)² (1 + 10 sin²(πwᵢ + 1)) + (w_d − 1)² (1 + sin²(2πw_d)), the
    sum over all but the last.
    """
    return Objective("levy", _levy, d, -10.0, 10.0, ((1.0,) * d,), 0.0)


def _levy(x: jax.Array) -> jax.Array:
    w = 1 + (x - 1) / 4
    inner, last = w[:-1], w[-1]
    return (
        jnp.sin(math.pi * w[0]) ** 2
        + jnp.sum((inner - 1) ** 2 * (1 + 10 * jnp.sin(math.pi * inner + 1) ** 2))
        + (last - 1) ** 2 * (1 + jnp.sin(2 * math.pi * last) ** 2)
    )


_STYBLINSKI_TANG_MINIMIZER = -2.9035340277711772  # the least root of 4x³ − 32x + 5


def styblinski_tang(d: int = 2) -> Objective:
    """½ Σ (x⁴ − 16x² + 5x) on [−5, 5]ᵈ: two valleys in each coordinate, one deeper."""
    x = _STYBLINSKI_TANG_MINIMIZER
    minimum = d * (x**4 - 16 * x**2 + 5 * x) / 2
    function = _styblinski_tang
    return Objective("styblinski_tang", function, d, -5.0, 5.0, ((x,) * d,), minimum)


def _styblinski_tang(x: jax.Array) -> jax.Array:
    square = x * x
    return jnp.sum(square * square - 16 * square + 5 * x) / 2


OBJECTIVES: dict[str, Callable[[int], Objective]] = {
    make.__name__: make
    for make in (ackley, rastrigin, griewank, schwefel, levy, styblinski_tang)
}
