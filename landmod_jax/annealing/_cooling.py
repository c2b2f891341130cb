"""Cooling schedules T(t), as functions of the step count.

Any `optax.Schedule` works as well, and a number is a constant temperature. The
schedules here are pytrees, so changing a height or temperature does not recompile
`anneal`. If a schedule returns a negative number, T is 0; under jit, rounding can take
a schedule that ends at 0 slightly below it.
"""

import math

import jax
import jax.numpy as jnp
import optax

from landmod_jax._checks import number

Scalar = float | jax.Array


def logarithmic(
    height: Scalar, t0: Scalar = math.e, step_size: Scalar = 1.0
) -> optax.Schedule:
    r"""T(t) = E / ln(t + t0), the schedule for which convergence is proved (2.6).

    If E is above the critical height (`landmod_jax.critical_height`; with modification,
    the clipped one), annealing converges to the global minimum as t goes to infinity.

    Args:
      height: E > 0, in units of U.
      t0: > 1, so that T(0) = E / ln(t0) is positive.
      step_size: t = step_size · count. With the step_size of `anneal`, t is the time of
        the diffusion; with the default of 1, it counts steps.

    Returns:
      A schedule: step count to temperature.

    Raises:
      ValueError: an argument is outside its range.

    Example:
      >>> from landmod_jax.annealing import logarithmic
      >>> T = logarithmic(2.0)
      >>> print(T(0), round(float(T(1000)), 4))
      2.0 0.2894
    """
    height = number("height", height, above=0)
    t0 = number("t0", t0, above=1)
    step_size = number("step_size", step_size, above=0)
    return jax.tree_util.Partial(_logarithmic, height, t0, step_size)


def geometric(initial: Scalar, final: Scalar, steps: Scalar) -> optax.Schedule:
    """T goes from `initial` to `final` by a constant factor per step, then stays.

    Args:
      initial: T(0) > 0, in units of U.
      final: T(steps) > 0.
      steps: > 0.

    Returns:
      A schedule: step count to temperature.

    Raises:
      ValueError: an argument is outside its range.

    Example:
      >>> from landmod_jax.annealing import geometric
      >>> T = geometric(1.0, 0.01, steps=100)
      >>> print(T(0), round(float(T(50)), 4), round(float(T(200)), 4))
      1.0 0.1 0.01
    """
    initial = number("initial", initial, above=0)
    final = number("final", final, above=0)
    steps = number("steps", steps, above=0)
    return jax.tree_util.Partial(_geometric, initial, final, steps)


def constant(temperature: Scalar) -> optax.Schedule:
    """T, whatever the step."""
    return jax.tree_util.Partial(_constant, temperature)


def _logarithmic(
    height: Scalar, t0: Scalar, step_size: Scalar, count: Scalar
) -> jax.Array:
    return height / jnp.log(step_size * jnp.asarray(count, float) + t0)


def _geometric(
    initial: Scalar, final: Scalar, steps: Scalar, count: Scalar
) -> jax.Array:
    return initial * (final / initial) ** jnp.minimum(
        jnp.asarray(count, float) / steps, 1
    )


def _constant(temperature: Scalar, count: Scalar) -> Scalar:
    del count
    return temperature
