"""Results from the rows: times to solution, their ratios, speeds, standard errors."""

from typing import Any

import numpy as np
import pandas as pd

from experiments.report import statistics
from experiments.spins.search import LABELS, to_solution

RESAMPLES = 4999
SURE = 0.05


def judged(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per family, method and instance judged, with its time to solution.

    Returns:
      family, method, instance; p; to_solution, in sweeps; seconds of processor time
      until then; shape, first, last, length (sweeps of a run).
    """
    own = trials[trials["stage"] == "judged"].copy()
    own["p"] = own["successes"] / own["chains"]
    own["to_solution"] = [
        to_solution(int(k), int(n), float(s))
        for k, n, s in zip(own["successes"], own["chains"], own["sweeps"], strict=True)
    ]
    # A method's least disturbed trial shows what a sweep costs.
    each = own["seconds"] / (own["chains"] * own["sweeps"])
    cost = each.groupby([own["family"], own["method"]]).transform("min")
    own["to_solution_seconds"] = own["to_solution"] * cost
    return own


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per family and method.

    Returns:
      family, method, n (instances), p (mean success rate of a run), sweeps, seconds
      (geometric means of the times to solution), and their ratios to plain Metropolis's
      with low and high: ratio, low, high (sweeps), seconds_ratio, seconds_low,
      seconds_high; p_value of the former, Holm-adjusted over all (sign-flip test of
      logarithms, paired by instance).
    """
    found = judged(trials)
    rows = []
    for family in dict.fromkeys(found["family"]):
        own = found[found["family"] == family]
        base = own[own["method"] == "plain"].set_index("instance")
        for method in (m for m in LABELS if m in set(own["method"])):
            part = own[own["method"] == method].set_index("instance").loc[base.index]
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
                d = log - np.log(base[column].to_numpy())
                row[f"{name}time"] = float(np.exp(log.mean()))
                compared = statistics.paired(d)
                row[f"{name}ratio"], row[f"{name}low"], row[f"{name}high"] = (
                    float(np.exp(x))
                    for x in (compared.mean, compared.low, compared.high)
                )
                row[f"{name}p_value"] = np.nan if method == "plain" else compared.p
            rows.append(row)
    table = pd.DataFrame(rows)
    for column in ("p_value", "seconds_p_value"):
        table[column] = statistics.holm(table[column].to_numpy(float))
    return table


def deviations(times: pd.DataFrame) -> pd.Series:
    """(mean − exact) / standard error of the cases that were simulated."""
    own = times[times["chains"] > 0]
    return (own["mean"] - own["exact"]) / own["error"]


def speeds(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per problem and program: sweeps per second of all chains, median and range.

    ratio, low and high are the sweeps per second of `metropolis` over the program's, in
    processor time, repetition by repetition.
    """
    rows = []
    for problem in dict.fromkeys(runs["problem"]):
        own = runs[runs["problem"] == problem]
        rate = own["chains"] * own["sweeps"] / own["processor"]
        table = own.assign(rate=rate).pivot(
            index="repetition", columns="program", values="rate"
        )
        for program in dict.fromkeys(own["program"]):
            ours = "metropolis, LM" if program.endswith("LM") else "metropolis"
            ratio = table[ours] / table[program]
            rows.append(
                {
                    "problem": problem,
                    "n": int(own["n"].iloc[0]),
                    "chains": int(own["chains"].iloc[0]),
                    "program": program,
                    "rate": table[program].median(),
                    "ratio": ratio.median(),
                    "low": ratio.min(),
                    "high": ratio.max(),
                }
            )
    return pd.DataFrame(rows)
