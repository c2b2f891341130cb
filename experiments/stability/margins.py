"""The margin of an arm: the learning rate up to which it seldom collapses."""

import dataclasses
from collections.abc import Sequence

import numpy as np

AT_MOST = 0.05  # of the seeds collapse
RESAMPLES = 4999
# Jeffreys' prior for each rate's share: half a seed that always collapses, half a seed
# that never does. Without it, seeds that never collapse would have no uncertainty.
PRIOR = 0.5
# 90% and not 95%: if none of 48 seeds collapses, the upper 97.5% bound is 5.05%,
# and every interval would reach below the grid. Over eight simulated collapse curves
# the interval covers in 85 to 93% of studies, 90% on average.
_ENDS = (0.05, 0.95)


@dataclasses.dataclass(frozen=True)
class Margin:
    """A margin, or a ratio of two, with a 90% interval.

    0 and inf mean below and above all rates of the grid. A ratio is NaN if both margins
    are off the same end. `bound` is "≥" or "≤" for a ratio with one margin off the
    grid, which is only known to lie beyond its end.
    """

    value: float
    low: float
    high: float
    bound: str = ""


def margin(collapsed: np.ndarray, rates: Sequence[float]) -> Margin:
    """The margin from runs (seeds, rates); each seed is one draw."""
    low, high = _interval(resampled(collapsed, rates))
    return Margin(float(crossing(_bool(collapsed).mean(0), rates)), low, high)


def ratio(first: np.ndarray, second: np.ndarray, rates: Sequence[float]) -> Margin:
    """The first one's margin over the second's; (seeds, rates) of the same seeds.

    A margin off the grid is set to the grid's end.
    """
    ours, theirs = (crossing(_bool(e).mean(0), rates) for e in (first, second))
    low, high = _interval(
        _over(resampled(first, rates), resampled(second, rates), rates)
    )
    off = ours == theirs and ours in (0, np.inf)
    value = np.nan if off else float(_over(ours, theirs, rates))
    bound = ""
    if np.isinf(ours) or theirs == 0:
        bound = "≥"
    elif np.isinf(theirs) or ours == 0:
        bound = "≤"
    return Margin(value, low, high, bound)


def resampled(collapsed: np.ndarray, rates: Sequence[float]) -> np.ndarray:
    """(RESAMPLES,) margins by the Bayesian bootstrap over seeds.

    Cases with the same number of seeds get the same weights, so that resamples of two
    arms are paired.
    """
    n, count = collapsed.shape
    prior = np.stack([np.ones(count), np.zeros(count)])
    concentration = [1.0] * n + [PRIOR, PRIOR]
    weights = np.random.default_rng(0).dirichlet(concentration, RESAMPLES)
    return crossing(weights @ np.concatenate([_bool(collapsed), prior]), rates)


def crossing(shares: np.ndarray, rates: Sequence[float]) -> np.ndarray:
    """Where shares (…, rates) first exceed AT_MOST, interpolated linearly in log rate.

    0 if the first share does, inf if none does.
    """
    x, shares = np.log(np.asarray(rates)), np.asarray(shares, np.float64)
    over = shares > AT_MOST
    upper = over.argmax(axis=-1)
    lower = np.maximum(upper - 1, 0)
    above = np.take_along_axis(shares, upper[..., None], -1)[..., 0]
    below = np.take_along_axis(shares, lower[..., None], -1)[..., 0]
    part = (AT_MOST - below) / np.where(above > below, above - below, 1)
    crossings = np.exp(x[lower] + part * (x[upper] - x[lower]))
    crossings = np.where(upper == 0, 0.0, crossings)
    return np.where(over.any(axis=-1), crossings, np.inf)


def _over(first: np.ndarray, second: np.ndarray, rates: Sequence[float]) -> np.ndarray:
    ends = min(rates), max(rates)
    return np.clip(first, *ends) / np.clip(second, *ends)


def _interval(values: np.ndarray) -> tuple[float, float]:
    # Between two infinities there is nothing to interpolate.
    low, high = np.quantile(values, _ENDS, method="inverted_cdf")
    return float(low), float(high)


def _bool(collapsed: np.ndarray) -> np.ndarray:
    return np.asarray(collapsed, bool).astype(float)
