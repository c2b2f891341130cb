"""How often the intervals of `stability` contain the true rates, by simulation.

`python -m benchmarks.coverage` simulates studies of two arms of 48 seeds, whose runs
fail as a known curve says, and prints a table.
"""

import sys
from collections.abc import Callable

import numpy as np

from experiments import text
from experiments.stability import margins
from experiments.stability.options import SEEDS

STUDIES = 1000
RATIO = 1.5  # of the arms' true margins
RATES = 17
Curve = Callable[[np.ndarray], np.ndarray]  # log(x / middle) to the share that fails


def logistic(slope: float, low: float = 0.0, high: float = 1.0) -> Curve:
    return lambda z: low + (high - low) / (1 + np.exp(-slope * z))


def mixed(z: np.ndarray) -> np.ndarray:
    """Two kinds of seeds: a third fails at half the rate of the others."""
    return logistic(12)(z + 0.7) / 3 + logistic(12)(z) * 2 / 3


def normal(z: np.ndarray) -> np.ndarray:
    """Seeds whose thresholds are log-normal, with a deviation of 0.3."""
    from scipy import stats

    return stats.norm.cdf(z / 0.3)


# What fails, how many rates there are to a decade, and where the edge is (0 to 1).
CASES: tuple[tuple[str, Curve, int, float], ...] = (
    ("slope 10, as plain SGD's on 12 layers", logistic(10), 10, 0.5),
    ("slope 25", logistic(25), 10, 0.5),
    ("slope 50, as plain SGD's on the recurrent network", logistic(50), 20, 0.5),
    ("slope 50 on a coarser grid", logistic(50), 10, 0.5),
    ("slope 4", logistic(4), 10, 0.5),
    ("log-normal thresholds", normal, 10, 0.5),
    ("skewed to large rates", lambda z: np.exp(-np.exp(-6 * z)), 10, 0.5),
    ("skewed to small rates", lambda z: -np.expm1(-np.exp(6 * z)), 10, 0.5),
    ("10% always fail", logistic(10, low=0.1), 10, 0.5),
    ("a third never fails", logistic(10, high=0.67), 10, 0.5),
    ("two kinds of seeds", mixed, 10, 0.5),
    ("the first arm's edge off the grid", logistic(10), 10, 1.01),
)


def true(curve: Curve, share: float) -> float:
    """log(x / middle) where a share fails; −inf if more do everywhere."""
    z = np.linspace(-6, 6, 120_001)
    over = curve(z) > share
    return -np.inf if over[0] else float(z[over.argmax()])


def covered(curve: Curve, to_a_decade: int, edge: float) -> np.ndarray:
    """Shares of studies whose intervals cover the 5% rate, the 50% rate, the ratio.

    The fourth is the share in which an arm is said to have a plateau.

    Args:
      edge: where the arms' middles lie, between the first rate (0) and the last (1).
    """
    step = np.log(10) / to_a_decade
    x = np.arange(RATES) * step
    rates = tuple(np.exp(x))
    rng = np.random.default_rng(0)
    hits = np.zeros(4)
    for _ in range(STUDIES):
        middle = edge * x[-1] + rng.uniform(0, step)
        middles = np.array([middle, middle - np.log(RATIO)])
        first, second = (
            margins.Counts(tuple(rng.binomial(SEEDS, curve(x - m))), SEEDS, rates)
            for m in middles
        )
        for number, share in enumerate((0.05, 0.5)):
            found = margins.margin(first, share)
            hits[number] += _covers(found, middle + true(curve, share), x[-1])
        # As in the tables, margins off the grid are set to its end.
        ends = np.clip(middles + true(curve, 0.5), x[0], x[-1])
        hits[2] += _covers(margins.ratio(first, second), ends[0] - ends[1])
        hits[3] += margins.plateau(first)
    return hits / STUDIES


def _covers(found: margins.Margin, truth: float, last: float = np.inf) -> bool:
    rate = np.exp(truth) if truth <= last else np.inf
    return bool(found.low * (1 - 1e-9) <= rate <= found.high * (1 + 1e-9))


def main() -> None:
    head = (
        "Runs that fail",
        "Rates a decade",
        "5% rate",
        "50% rate",
        "Ratio",
        "Plateau",
    )
    rows = []
    for name, curve, to_a_decade, edge in CASES:
        found = covered(curve, to_a_decade, edge)
        rows.append([name, str(to_a_decade), *(f"{100 * x:.1f}" for x in found)])
        print(rows[-1], file=sys.stderr, flush=True)
    print(text.table(head, rows), end="")


if __name__ == "__main__":
    main()
