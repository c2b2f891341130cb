"""Expectations under exp(−U/T) from chains on the modified landscape."""

import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landmod_jax import _checks
from landmod_jax import _shapes as shapes
from landmod_jax._landscape import landscape
from landmod_jax._numerics import held_eps

SMALL = 100  # effective samples


class Expectation(NamedTuple):
    """An expectation with its uncertainty.

    Attributes:
      mean: the estimate, with the shape of one value of the statistic.
      standard_error: of mean, from the differences between chains; NaN for one chain.
      low, high: ends of the confidence interval.
      ess: effective sample size of the weights, (Σ w)² / Σ w². It does not reflect how
        strongly a chain's points depend on each other; standard_error does.
    """

    mean: jax.Array
    standard_error: jax.Array
    low: jax.Array
    high: jax.Array
    ess: jax.Array


def log_weights(
    value: Any,
    *,
    temperature: Any,
    f: str | shapes.ScalarFn | None = None,
    c: Any = jnp.inf,
    logarithm: bool = False,
    target: Any = None,
) -> jax.Array:
    r"""Compute ln w = H − U/T of points sampled from exp(−H), up to a constant.

    With these weights, averages over chains of `metropolis` (or, with
    ``logarithm=True``, of the improved methods of `anneal`) are expectations under
    exp(−U/T). Neither landscape's normalization is needed.

    Args:
      value: U at the points, any shape.
      temperature: T > 0 of the chains, in units of U.
      f: the shape of their modification; None if they had none.
      c: their threshold, which broadcasts to value. It must not depend on the points:
        sample with a `constant` threshold.
      logarithm: whether they sampled the full H of (2.9).
      target: the temperature of the expectation; by default, that of the chains.

    Returns:
      ln w, with the shape of value. It is −inf where value is not finite.

    Raises:
      ValueError: an argument is none of the above.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax import annealing
      >>> U = jnp.array([0.0, 1.0, 3.0])
      >>> print(annealing.log_weights(U, temperature=1.0, f="linear", c=1.0).round(3))
      [ 0.     0.    -0.901]
    """
    value = _checks.real_array("value", value)
    T = _checks.number("temperature", temperature, above=0)
    T_target = T if target is None else _checks.number("target", target, above=0)
    logarithm = _checks.flag("logarithm", logarithm)
    known = jnp.isfinite(value)
    lowest = jnp.where(known, value, jnp.inf).min()
    u = jnp.where(known, value, lowest)
    above = u - lowest
    if f is None:
        h = above / held_eps(T, value.dtype)
    else:
        h = landscape(u, c, T, f, lowest, logarithm=logarithm)
    return jnp.where(known, h - above / held_eps(T_target, value.dtype), -jnp.inf)


def expectation(
    statistic: Any,
    value: Any,
    *,
    temperature: Any,
    f: str | shapes.ScalarFn | None = None,
    c: Any = jnp.inf,
    logarithm: bool = False,
    target: Any = None,
    confidence: float = 0.95,
) -> Expectation:
    """Estimate an expectation under exp(−U/T) from chains on the modified landscape.

    The estimate uses the weights of `log_weights`, normalized by their sum. The
    interval is Student's and treats chains as independent units, so it is valid however
    strongly the points of one chain depend on each other. It needs a few dozen chains
    that carry weight. If ess is below 100, there is a warning, except under jit, where
    you have to check ess yourself.

    Args:
      statistic: its values at the points, (records, chains, …).
      value: U there, (records, chains), as in the trajectory of `metropolis`. Leave out
        the records of the burn-in.
      temperature, f, c, logarithm, target: as in `log_weights`.
      confidence: of the interval, in (0, 1).

    Returns:
      An `Expectation`.

    Raises:
      ValueError: an argument is none of the above.

    Example:
      >>> import jax, jax.numpy as jnp, landmod_jax as lm
      >>> from landmod_jax import annealing
      >>> model = annealing.spins.curie_weiss(10)
      >>> key, start = jax.random.split(jax.random.key(0))
      >>> law = {"temperature": 1.0, "f": "linear"}
      >>> path = annealing.metropolis(
      ...     model,
      ...     model.flips(),
      ...     model.sample(start, 200),
      ...     key,
      ...     steps=500 * model.n,
      ...     threshold=lm.constant(-3.0),
      ...     **law,
      ... ).trajectory
      >>> m = path.x.mean(-1)
      >>> found = annealing.expectation(m**2, path.value, c=-3.0, **law)
      >>> bool(found.low < 0.3469 < found.high)  # by summation over M
      True
    """
    value = _checks.real_array("value", value)
    if value.ndim != 2 or not value.size:
        raise ValueError(f"value must have shape (records, chains), got {value.shape}")
    g = _checks.real_array("statistic", statistic)
    if g.shape[:2] != value.shape:
        raise ValueError(
            f"statistic must have shape {value.shape} or (*{value.shape}, …), as value "
            f"has; got {g.shape}"
        )
    if _checks.traced(confidence):
        raise ValueError("confidence must be known when JAX traces the program")
    confidence = float(_checks.number("confidence", confidence, above=0, below=1))
    log_w = log_weights(
        value, temperature=temperature, f=f, c=c, logarithm=logarithm, target=target
    )
    w = jnp.exp(log_w - log_w.max())
    w /= w.sum()
    ess = 1 / (w * w).sum()
    _warn_of_few(ess)
    w = w.reshape(w.shape + (1,) * (g.ndim - 2))
    # A point without weight adds nothing, even if the statistic is not finite there.
    g = jnp.where(w > 0, g, 0)
    mean = (w * g).sum((0, 1))
    chains = value.shape[1]
    # Linearized: a chain's share of the error of the ratio Σ w g / Σ w.
    parts = (w * (g - mean)).sum(0)
    spread = chains / (chains - 1) if chains > 1 else float("nan")
    error = jnp.sqrt(spread * (parts**2).sum(0))
    half = _student(confidence, chains - 1) * error
    return Expectation(mean, error, mean - half, mean + half, ess)


def _student(confidence: float, freedom: int) -> float:
    from scipy import special  # takes longer to import than the rest of this package

    return float(special.stdtrit(freedom, (1 + confidence) / 2))


def _warn_of_few(ess: jax.Array) -> None:
    if not _checks.traced(ess) and not ess >= SMALL:
        warnings.warn(
            f"the effective sample size is {float(ess):.3g}: few points carry the "
            "weight, and the interval may be too short. Raise c, weaken f, or sample "
            "more",
            stacklevel=3,
        )
