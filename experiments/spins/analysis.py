"""Results from the rows: tunneling times, times to solution, their ratios."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from experiments.report import statistics
from experiments.spins.search import LABELS, to_solution
from experiments.spins.tunnelling import CASE

RESAMPLES = 4999
SURE = 0.05


def judged(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per family, method and instance judged, with its time to solution.

    Returns:
      family, method, instance; p; to_solution, in sweeps; seconds of processor time
      until then; shape, first, last, length (sweeps of a run).
    """
    finals = trials[trials["stage"] == "judged"].copy()
    finals["p"] = finals["successes"] / finals["chains"]
    finals["to_solution"] = [
        to_solution(int(k), int(n), float(s))
        for k, n, s in zip(
            finals["successes"], finals["chains"], finals["sweeps"], strict=True
        )
    ]
    # A method's least disturbed trial shows what a sweep costs.
    seconds = finals["seconds"] / (finals["chains"] * finals["sweeps"])
    cost = seconds.groupby([finals["family"], finals["method"]]).transform("min")
    finals["to_solution_seconds"] = finals["to_solution"] * cost
    return finals


def summary(trials: pd.DataFrame, base: str = "plain") -> pd.DataFrame:
    """A row per family and method.

    Args:
      base: the method that the others are compared with.

    Returns:
      family, method, n (instances), p (mean success rate of a run); time (geometric
      mean of the times to solution, in sweeps) with time_low and time_high; ratio (of
      those times to the base's) with low and high; p_value of the ratio, Holm-adjusted
      over all (sign-flip test of logarithms, paired by instance). The same in seconds,
      as seconds_time and so on. Intervals are 95%, over instances.
    """
    finals = judged(trials)
    rows = []
    for family in dict.fromkeys(finals["family"]):
        of_family = finals[finals["family"] == family]
        reference = of_family[of_family["method"] == base].set_index("instance")
        for method in (m for m in LABELS if m in set(of_family["method"])):
            part = of_family[of_family["method"] == method].set_index("instance")
            part = part.loc[reference.index]
            row: dict[str, Any] = {
                "family": family,
                "method": method,
                "n": len(part),
                "p": part["p"].mean(),
                "none": int((part["successes"] == 0).sum()),
                "length": part["sweeps"].iloc[0],
                "shape": part["shape"].iloc[0],
                "first": part["first"].iloc[0],
                "last": part["last"].iloc[0],
            }
            for name, column in (
                ("", "to_solution"),
                ("seconds_", "to_solution_seconds"),
            ):
                log = np.log(part[column].to_numpy())
                compared = statistics.paired(log - np.log(reference[column].to_numpy()))
                low, high = statistics.interval(log)
                logarithms = {
                    "time": log.mean(), "time_low": low, "time_high": high,
                    "ratio": compared.mean, "low": compared.low, "high": compared.high,
                }  # fmt: skip
                row |= {f"{name}{k}": float(np.exp(x)) for k, x in logarithms.items()}
                row[f"{name}p_value"] = np.nan if method == base else compared.p
            rows.append(row)
    table = pd.DataFrame(rows)
    for column in ("p_value", "seconds_p_value"):
        table[column] = statistics.holm(table[column].to_numpy(float))
    return table


def deviations(times: pd.DataFrame) -> pd.Series:
    """(mean − exact) / standard error of the cases that were simulated."""
    simulated = times[times["chains"] > 0]
    return (simulated["mean"] - simulated["exact"]) / simulated["error"]


def pooled(times: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """Two independent samples as one: rows of the cases that both simulated.

    Means are weighted by the number of chains that arrived.
    """
    both = times.merge(again, on=list(CASE), suffixes=("", "_again"))
    both = both[(both["chains"] > 0) & (both["chains_again"] > 0)]
    first, second = both["arrived"], both["arrived_again"]
    n = first + second
    error = np.hypot(first * both["error"], second * both["error_again"]) / n
    return both.assign(
        mean=(first * both["mean"] + second * both["mean_again"]) / n,
        error=error,
        arrived=n,
        chains=both["chains"] + both["chains_again"],
    )[times.columns]


def agreement(times: pd.DataFrame) -> dict[str, float]:
    """How well the measured means agree with the exact ones, if z were normal.

    Returns:
      n: means; within: those within two standard errors; few: the probability of so few
      or fewer; squares: Σ z²; large: the probability of so large a sum or a larger one;
      farthest: the z of the largest magnitude.
    """
    z = deviations(times)
    n, within, squares = len(z), int((z.abs() <= 2).sum()), float((z**2).sum())
    return {
        "n": n,
        "within": within,
        "few": float(stats.binom.cdf(within, n, 2 * stats.norm.cdf(2) - 1)),
        "squares": squares,
        "large": float(stats.chi2.sf(squares, n)),
        "farthest": float(z[z.abs().idxmax()]),
    }
