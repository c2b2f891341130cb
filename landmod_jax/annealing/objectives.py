"""Objectives with known global minima, in their usual domains.

Each constructor returns the same object for the same arguments, so that `anneal`
compiles only once for it.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax._memo import same_for_same_arguments
from landmod_jax.annealing import _arguments as arguments


@dataclasses.dataclass(frozen=True, eq=False)
class Objective:
    """A function to minimize, and what is known about it.

    Attributes:
      name: for labels.
      function: maps a point (d,) to a real scalar; differentiable everywhere.
      dimension: d.
      low, high: limits of the domain in each coordinate.
      minimizers: the global minimizers, each d numbers.
      minimum: the value at the minimizers.

    Raises:
      ValueError: an attribute is none of the above. At a call: the shape of x is not
        (d,).

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing.objectives import Objective
      >>> U = Objective("bowl", lambda x: (x**2).sum(), 2, -1.0, 1.0, ((0, 0),), 0.0)
      >>> print(U(jnp.array([1.0, 2.0])))
      5.0
    """

    name: str
    function: Callable[[jax.Array], jax.Array]
    dimension: int
    low: float
    high: float
    minimizers: tuple[tuple[float, ...], ...]
    minimum: float

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"name must be a string, got {_checks.shown(self.name)}")
        _checks.function("function", self.function, 1)
        _checks.integer("dimension", self.dimension, least=1)
        low = _checks.number("low", self.low)
        high = _checks.number("high", self.high)
        if not low < high:
            raise ValueError(f"low must be less than high, got {low} and {high}")
        _checks.number("minimum", self.minimum)
        if not isinstance(self.minimizers, tuple):
            raise ValueError(
                "minimizers must be a tuple of points, got "
                f"{_checks.shown(self.minimizers)}"
            )
        for point in self.minimizers:
            if np.shape(point) != (self.dimension,):
                raise ValueError(
                    f"minimizers must be points of {self.dimension} numbers, got "
                    f"{_checks.shown(point)}"
                )

    def __call__(self, x: jax.Array) -> jax.Array:
        if getattr(x, "shape", None) is None:
            x = _checks.real_array("x", x)
        if x.shape != (self.dimension,):
            raise ValueError(
                f"x must be a point of {self.name}, of shape ({self.dimension},), got "
                f"shape {x.shape}: use jax.vmap for many points"
            )
        if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
            x = _checks.real_array("x", x)
        return self.function(x)

    def sample(self, key: jax.Array, chains: int) -> jax.Array:
        """Draw uniform points of the domain, (chains, d).

        Raises:
          ValueError: key is not a `jax.random` key, or chains is not an integer ≥ 1.
        """
        key = arguments.key(key)
        chains = _checks.integer("chains", chains, least=1)
        shape = (chains, self.dimension)
        return jax.random.uniform(key, shape, minval=self.low, maxval=self.high)


@same_for_same_arguments
def ackley(d: int = 2) -> Objective:
    """−20 exp(−0.2 √(mean x²)) − exp(mean cos 2πx) + 20 + e on [−32.768, 32.768]ᵈ.

    A shallow funnel full of dents, with a cone at its minimum. The gradient there is
    defined as 0.

    Args:
      d: dimension, at least 1.

    Raises:
      ValueError: d is not an integer of at least 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> print(f"{abs(objectives.ackley(2)(jnp.zeros(2))):.5f}")
      0.00000
    """
    d = _checks.integer("d", d, least=1)

    def function(x: jax.Array) -> jax.Array:
        square = jnp.mean(x * x)
        zero = square == 0
        radius = jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, square)))
        dents = jnp.exp(jnp.mean(jnp.cos(2 * math.pi * x)))
        return 20 + math.e - 20 * jnp.exp(-0.2 * radius) - dents

    return Objective("ackley", function, d, -32.768, 32.768, ((0.0,) * d,), 0.0)


@same_for_same_arguments
def rastrigin(d: int = 2) -> Objective:
    """10d + Σ (x² − 10 cos 2πx) on [−5.12, 5.12]ᵈ: about 11ᵈ minima in a bowl.

    Args:
      d: dimension, at least 1.

    Raises:
      ValueError: d is not an integer of at least 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> print(objectives.rastrigin(2)(jnp.zeros(2)))
      0.0
    """
    d = _checks.integer("d", d, least=1)

    def function(x: jax.Array) -> jax.Array:
        return 10 * d + jnp.sum(x * x - 10 * jnp.cos(2 * math.pi * x))

    return Objective("rastrigin", function, d, -5.12, 5.12, ((0.0,) * d,), 0.0)


@same_for_same_arguments
def griewank(d: int = 2) -> Objective:
    """1 + Σ x²/4000 − Π cos(xᵢ/√i) on [−600, 600]ᵈ: a wide bowl with small ripples.

    Args:
      d: dimension, at least 1.

    Raises:
      ValueError: d is not an integer of at least 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> print(objectives.griewank(2)(jnp.zeros(2)))
      0.0
    """
    d = _checks.integer("d", d, least=1)

    def function(x: jax.Array) -> jax.Array:
        i = jnp.arange(1, d + 1, dtype=x.dtype)
        return 1 + jnp.sum(x * x) / 4000 - jnp.prod(jnp.cos(x / jnp.sqrt(i)))

    return Objective("griewank", function, d, -600.0, 600.0, ((0.0,) * d,), 0.0)


_SCHWEFEL_MINIMIZER = 420.96874635998194  # of −x sin √x: tan √x = −√x / 2


@same_for_same_arguments
def schwefel(d: int = 2) -> Objective:
    """418.9829 d − Σ x sin √|x| on [−500, 500]ᵈ: the best valley is in a far corner.

    The function has no lower bound outside the domain, so pass bounds to `anneal`.

    Args:
      d: dimension, at least 1.

    Raises:
      ValueError: d is not an integer of at least 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> print(f"{objectives.schwefel(2)(jnp.full(2, 420.96875)):.2f}")
      0.00
    """
    d = _checks.integer("d", d, least=1)
    best = _SCHWEFEL_MINIMIZER * math.sin(math.sqrt(_SCHWEFEL_MINIMIZER))

    def function(x: jax.Array) -> jax.Array:
        zero = x == 0
        root = jnp.sqrt(jnp.where(zero, 1, jnp.abs(x)))
        return jnp.sum(best - jnp.where(zero, 0, x * jnp.sin(root)))

    minimizer = (_SCHWEFEL_MINIMIZER,) * d
    return Objective("schwefel", function, d, -500.0, 500.0, (minimizer,), 0.0)


@same_for_same_arguments
def levy(d: int = 2) -> Objective:
    """Levy's function on [−10, 10]ᵈ, with w = 1 + (x − 1)/4:

    sin²(πw₁) + Σ (wᵢ − 1)² (1 + 10 sin²(πwᵢ + 1)) + (w_d − 1)² (1 + sin²(2πw_d)), the
    sum over all but the last.

    Args:
      d: dimension, at least 1.

    Raises:
      ValueError: d is not an integer of at least 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> print(f"{objectives.levy(2)(jnp.ones(2)):.5f}")
      0.00000
    """
    d = _checks.integer("d", d, least=1)

    def function(x: jax.Array) -> jax.Array:
        w = 1 + (x - 1) / 4
        inner, last = w[:-1], w[-1]
        return (
            jnp.sin(math.pi * w[0]) ** 2
            + jnp.sum((inner - 1) ** 2 * (1 + 10 * jnp.sin(math.pi * inner + 1) ** 2))
            + (last - 1) ** 2 * (1 + jnp.sin(2 * math.pi * last) ** 2)
        )

    return Objective("levy", function, d, -10.0, 10.0, ((1.0,) * d,), 0.0)


_STYBLINSKI_TANG_MINIMIZER = -2.9035340277711772  # the least root of 4x³ − 32x + 5


@same_for_same_arguments
def styblinski_tang(d: int = 2) -> Objective:
    """½ Σ (x⁴ − 16x² + 5x) on [−5, 5]ᵈ: two valleys in each coordinate, one deeper.

    Args:
      d: dimension, at least 1.

    Raises:
      ValueError: d is not an integer of at least 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> U = objectives.styblinski_tang(2)
      >>> print(f"{U(jnp.array(U.minimizers[0])):.2f} {U.minimum:.2f}")
      -78.33 -78.33
    """
    d = _checks.integer("d", d, least=1)
    x = _STYBLINSKI_TANG_MINIMIZER
    minimum = d * (x**4 - 16 * x**2 + 5 * x) / 2

    def function(x: jax.Array) -> jax.Array:
        square = x * x
        return jnp.sum(square * square - 16 * square + 5 * x) / 2

    return Objective("styblinski_tang", function, d, -5.0, 5.0, ((x,) * d,), minimum)


@same_for_same_arguments
def rosenbrock(d: int = 2) -> Objective:
    """Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)² on [−5, 10]ᵈ: one curved, nearly level valley.

    Args:
      d: dimension, at least 2.

    Raises:
      ValueError: d is not an integer of at least 2.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> print(objectives.rosenbrock(2)(jnp.ones(2)))
      0.0
    """
    d = _checks.integer("d", d, least=2)

    def function(x: jax.Array) -> jax.Array:
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return Objective("rosenbrock", function, d, -5.0, 10.0, ((1.0,) * d,), 0.0)


@same_for_same_arguments
def himmelblau() -> Objective:
    """(x² + y − 11)² + (x + y² − 7)² on [−5, 5]²: four minima, all of them global.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> print(objectives.himmelblau()(jnp.array([3.0, 2.0])))
      0.0
    """

    def function(x: jax.Array) -> jax.Array:
        return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2

    minimizers = (
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.283185991286170),
        (3.584428340330492, -1.848126526964404),
    )
    return Objective("himmelblau", function, 2, -5.0, 5.0, minimizers, 0.0)


@same_for_same_arguments
def double_well(barrier: float = 1.0, d: int = 1) -> Objective:
    """barrier · Σ (x² − 1)² on [−2, 2]ᵈ: wells at ±1, `barrier` the critical height.

    Args:
      barrier: U(0) of one coordinate, greater than 0.
      d: dimension, 1 to 16: it has 2ᵈ minimizers.

    Raises:
      ValueError: an argument is outside its range.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> print(objectives.double_well(3.0)(jnp.zeros(1)))
      3.0
    """
    barrier = _checks.number("barrier", barrier, above=0)
    d = _checks.integer("d", d, least=1)
    if d > 16:
        raise ValueError(f"d must be at most 16, to keep 2ᵈ minimizers; got {d}")

    def function(x: jax.Array) -> jax.Array:
        return barrier * jnp.sum((x * x - 1) ** 2)

    minimizers = tuple(itertools.product((-1.0, 1.0), repeat=d))
    return Objective("double_well", function, d, -2.0, 2.0, minimizers, 0.0)


_SINES_MINIMIZER = 5.145735285687302


@same_for_same_arguments
def sines() -> Objective:
    """sin x + sin(10x/3) on [2.7, 7.5], the example of section 2.2.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import objectives
      >>> U = objectives.sines()
      >>> print(f"{U(jnp.array([5.1457])):.4f}")
      -1.8996
    """
    x = _SINES_MINIMIZER
    minimum = math.sin(x) + math.sin(10 * x / 3)

    def function(x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(x) + jnp.sin(10 * x / 3))

    return Objective("sines", function, 1, 2.7, 7.5, ((x,),), minimum)


OBJECTIVES = {
    "ackley": ackley,
    "rastrigin": rastrigin,
    "griewank": griewank,
    "schwefel": schwefel,
    "levy": levy,
    "styblinski_tang": styblinski_tang,
    "rosenbrock": rosenbrock,
    "himmelblau": himmelblau,
    "double_well": double_well,
    "sines": sines,
}
