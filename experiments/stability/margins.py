"""Dose and response: the learning rate at which a share of an arm's runs fails.

The share of failures over the learning rate x is modeled as
low + (high − low) · G(slope · log(x / middle)), with G logistic, or skewed to either
side. All parameters lie on a grid, with equal prior weights, so the posterior is exact
on it, and a rate's interval comes from it. `benchmarks/coverage.py` measures how often
the intervals contain the true rates: that of 5% of failures needs more than 48 seeds.

Runs of a seed at different rates are treated as independent, and so are arms, although
they share weights and data: within a seed, failures are almost uncorrelated (a mean φ
of 0.02), so pairing would gain nothing.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SHARE = 0.5  # of the runs fail at a margin
MIDDLE = (0.2, 0.8)  # of the runs fail, where a plateau leaves a margin undefined
DRAWS = 9999
_ENDS = (0.025, 0.975)
_STEP = 0.015  # of the middle, in log rate
_BEYOND = 0.5  # how far the middle may lie off the grid, in log rate
_SLOPES = np.geomspace(2.0, 120.0, 9)
_LOWS = (0.0, 0.01, 0.04, 0.15)
_HIGHS = (1.0, 0.95, 0.75, 0.45)
# Slopes of the skewed curves, relative to the logistic one's that is as steep at ½.
_SKEWED = 1 / (2 * np.log(2))


@dataclasses.dataclass(frozen=True)
class Margin:
    """A margin, or a ratio of two, with a 95% interval: the median and two quantiles.

    0 and inf mean below and above all rates of the grid. A ratio is NaN if both margins
    are off the same end. `bound` is "≥" or "≤" for a ratio with one margin off the
    grid, which is only known to lie beyond its end.

    Attributes:
      p: of a ratio, two-sided, that it is 1.
      p_equivalent: that it is not between 1 / EQUIVALENT and EQUIVALENT; below 0.05,
        its 90% interval lies between them.
      plateau: whether failures have a plateau, so that nothing is claimed: p and
        p_equivalent are NaN.
    """

    value: float
    low: float
    high: float
    bound: str = ""
    p: float = np.nan
    p_equivalent: float = np.nan
    plateau: bool = False


EQUIVALENT = 1.1


class Counts(NamedTuple):
    """How many of n runs fail at each rate, in the order of the rates."""

    failed: tuple[int, ...]
    n: int
    rates: tuple[float, ...]


def plateau(of: Counts) -> bool:
    """Whether failures do not rise from a rate to the next, both within MIDDLE.

    Then half of the runs fail at no definite rate. Rates below the one with the fewest
    failures do not count.
    """
    shares = np.array(of.failed) / of.n
    shares = shares[shares.argmin() :]
    inside = (shares >= MIDDLE[0]) & (shares <= MIDDLE[1])
    return bool((inside[:-1] & inside[1:] & (np.diff(shares) <= 0)).any())


def margin(of: Counts, share: float = SHARE) -> Margin:
    """The rate at which a share of the runs fails."""
    low, value, high = _quantiles(draws(of, share))
    return Margin(value, low, high, plateau=plateau(of))


def ratio(first: Counts, second: Counts, share: float = SHARE) -> Margin:
    """The first one's margin over the second's.

    A margin off the grid is set to the grid's end.
    """
    ours, theirs = draws(first, share), draws(second, share, stream=1)
    ends = [(min(of.rates), max(of.rates)) for of in (first, second)]
    ratios = np.clip(ours, *ends[0]) / np.clip(theirs, *ends[1])
    low, value, high = _quantiles(ratios)
    first_value, second_value = (_quantiles(x)[1] for x in (ours, theirs))
    off = first_value == second_value and first_value in (0, np.inf)
    bound = ""
    if np.isinf(first_value) or second_value == 0:
        bound = "≥"
    elif np.isinf(second_value) or first_value == 0:
        bound = "≤"
    below, above = (ratios <= 1).sum(), (ratios >= 1).sum()
    beyond = max((ratios >= EQUIVALENT).sum(), (ratios <= 1 / EQUIVALENT).sum())
    p = min(1.0, 2 * (min(below, above) + 1) / (DRAWS + 1))
    p_equivalent = (beyond + 1) / (DRAWS + 1)
    undefined = plateau(first) or plateau(second)
    if undefined:
        p = p_equivalent = np.nan
    if off:
        value, bound = np.nan, ""
    return Margin(value, low, high, bound, p, p_equivalent, undefined)


@functools.lru_cache(maxsize=1024)
def draws(of: Counts, share: float, stream: int = 0) -> np.ndarray:
    """(DRAWS,) rates at which that share fails, from the posterior; 0 and inf off it.

    Rates below the one with the fewest failures are left out: runs there fail because
    they are slow.
    """
    total = posterior(of)
    chances, places = np.random.default_rng([stream, *of.failed]).random((2, DRAWS))
    chosen = np.searchsorted(total, chances * total[-1], side="right")
    rates = crossings(of.rates, share)[np.minimum(chosen, total.size - 1)]
    rates = rates * np.exp((places - 0.5) * _STEP)  # anywhere in the grid's cell
    low, high = min(of.rates), max(of.rates)
    return np.where(rates < low, 0.0, np.where(rates > high, np.inf, rates))


@functools.lru_cache(maxsize=8)
def posterior(of: Counts) -> np.ndarray:
    """The cumulative posterior weights of the curves of the grid."""
    failed, trained = _used(of)
    log_fails, log_trains = _curves(of.rates)
    likelihood = log_fails @ failed + log_trains @ trained
    return np.cumsum(np.exp(likelihood - likelihood.max()), dtype=np.float64)


def _used(of: Counts) -> tuple[np.ndarray, np.ndarray]:
    failed = np.array(of.failed, np.float32)
    used = np.arange(failed.size) >= failed.argmin()
    return failed * used, (of.n - failed) * used


def _parameters(rates: Sequence[float]) -> list[np.ndarray]:
    """The grid of curves: middles, slopes, lows, highs and skews (−1, 0 or 1)."""
    first, last = np.log(min(rates)), np.log(max(rates))
    middles = np.arange(first - _BEYOND, last + _BEYOND, _STEP)
    axes = (middles, _SLOPES, _LOWS, _HIGHS, (-1, 0, 1))
    return [x.ravel() for x in np.meshgrid(*axes, indexing="ij")]


@functools.lru_cache(maxsize=4)
def _curves(rates: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms (curves, rates) of the shares that fail, and that train."""
    middle, slope, low, high, skew = (x[:, None] for x in _parameters(rates))
    z = np.clip(slope * (np.log(rates) - middle), -50, 50)
    growing = -np.expm1(-np.log(2) * np.exp(_SKEWED * z))
    falling = np.exp(-np.log(2) * np.exp(-_SKEWED * z))
    base = np.where(
        skew == 0, 1 / (1 + np.exp(-z)), np.where(skew > 0, falling, growing)
    )
    shares = np.clip(low + (high - low) * base, 1e-9, 1 - 1e-9)
    return np.log(shares).astype(np.float32), np.log1p(-shares).astype(np.float32)


@functools.lru_cache(maxsize=16)
def crossings(rates: tuple[float, ...], share: float) -> np.ndarray:
    """(curves,) the rate at which a share fails; 0 or inf if it does nowhere."""
    middle, slope, low, high, skew = _parameters(rates)
    base = (share - low) / (high - low)
    with np.errstate(divide="ignore", invalid="ignore"):
        growing = np.log(-np.log1p(-base) / np.log(2)) / _SKEWED
        falling = -np.log(-np.log(base) / np.log(2)) / _SKEWED
        logistic = np.log(base) - np.log1p(-base)
        z = np.where(skew == 0, logistic, np.where(skew > 0, falling, growing))
        rate = np.exp(middle + z / slope)
    return np.where(base <= 0, 0.0, np.where(base >= 1, np.inf, rate))


def _quantiles(values: np.ndarray) -> tuple[float, float, float]:
    # Between two infinities there is nothing to interpolate.
    ends = (_ENDS[0], 0.5, _ENDS[1])
    low, value, high = np.quantile(values, ends, method="inverted_cdf")
    return float(low), float(value), float(high)
