"""Results from the rows: what remedies cost, and whose frontier lies further out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from experiments.batches.networks import NETWORKS
from experiments.batches.options import FAULTS, RARE, SCENARIOS
from experiments.batches.remedies import OURS, REMEDIES, RIVALS
from experiments.config.optimizers import OPTIMIZERS
from experiments.report import statistics

EQUIVALENT = 0.5  # points of accuracy
SURE = 0.05
# A remedy whose strength lies between two of the grid is taken to lie on the straight
# line between them, so that no remedy wins in a gap of another's grid.
BETWEEN = 9
LEAST = 6  # seeds, of which every third chooses and the others test


def groups(runs: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Each network and optimizer with its rows, in order."""
    for network in NETWORKS:
        for optimizer in OPTIMIZERS:
            of = (runs["network"] == network) & (runs["optimizer"] == optimizer)
            if of.any():
                yield network, optimizer, runs[of]


def kept(of_group: pd.DataFrame, scenario: str) -> str:
    """The column that says what a run has kept in a scenario."""
    return "rare_accuracy" if SCENARIOS[scenario].rare else "test_accuracy"


def accuracies(of_group: pd.DataFrame, scenario: str) -> pd.DataFrame:
    """(arm and strength, seed): what each run has kept, in percent."""
    runs = of_group[of_group["scenario"] == scenario]
    column = kept(of_group, scenario)
    return runs.pivot(index=["arm", "strength"], columns="seed", values=column)


def frontier(of_group: pd.DataFrame) -> dict[str, np.ndarray]:
    """By arm: (strengths, seeds, 2), kept under FAULTS and on RARE.

    Empty if a scenario is missing. Arms end at the plain optimizer, their weakest form.
    """
    if not {FAULTS, RARE} <= set(of_group["scenario"]):
        return {}
    both = [accuracies(of_group, scenario) for scenario in (FAULTS, RARE)]
    plain = np.stack([table.loc[["base"]] for table in both], axis=-1)
    curves = {}
    for arm in (*OURS, *RIVALS):
        if index := [(arm, x) for x in strengths(of_group, arm)]:
            points = np.stack([table.loc[index] for table in both], axis=-1)
            curves[arm] = np.concatenate([points, plain])
    return curves


def strengths(of_group: pd.DataFrame, arm: str) -> list[float]:
    known = set(of_group["strength"][of_group["arm"] == arm])
    return [x for x in REMEDIES[arm].strengths if x in known] if known else []


def filled(curve: np.ndarray) -> np.ndarray:
    """A curve (points, …) with BETWEEN points on each straight line between two."""
    along = np.linspace(0, len(curve) - 1, (len(curve) - 1) * (BETWEEN + 1) + 1)
    below = np.minimum(along.astype(int), len(curve) - 2)
    part = (along - below).reshape(-1, *[1] * (curve.ndim - 1))
    return (1 - part) * curve[below] + part * curve[below + 1]


def outside(ours: np.ndarray, theirs: np.ndarray, margin: float) -> dict[str, Any]:
    """Whether a strength of ours lies outside the other's frontier by a margin.

    It does if every strength of theirs is worse by more than the margin under faults or
    on rare data. Every third seed chooses our strength, and for each of theirs the
    axis; the others test (one-sided t tests; the largest p counts, as all must be
    worse).

    Args:
      ours, theirs: (strengths, seeds, 2), of consecutive seeds.

    Returns:
      chosen (place in ours), distance (points, the smallest of the differences on the
      chosen axes), low (its one-sided 95% bound), p.
    """
    theirs = filled(theirs)
    differences = ours[:, None] - theirs[None]  # (ours, theirs, seeds, 2)
    chooses = np.arange(differences.shape[2]) % 3 == 0
    first, rest = differences[:, :, chooses], differences[:, :, ~chooses]
    separated = _t(first, margin)
    chosen = int(separated.max(axis=-1).min(axis=1).argmax())
    axis = separated[chosen].argmax(axis=-1)  # (theirs,)
    tested = np.take_along_axis(rest[chosen], axis[:, None, None], -1)
    n = tested.shape[1]
    worst = float(stats.t.sf(_t(tested, margin), n - 1).max())
    means, errors = tested.mean(axis=1), tested.std(axis=1, ddof=1) / np.sqrt(n)
    bounds = means - stats.t.isf(SURE, n - 1) * errors
    return {
        "chosen": chosen,
        "distance": float(means.min()),
        "low": float(bounds.min()),
        "p": worst,
    }


def _t(differences: np.ndarray, margin: float) -> np.ndarray:
    """t of the mean over seeds, the axis before the last, minus the margin."""
    n = differences.shape[-2]
    spread = differences.std(axis=-2, ddof=1) / np.sqrt(n)
    return (differences.mean(axis=-2) - margin) / np.maximum(spread, 1e-6)


def comparisons(runs: pd.DataFrame, margin: float = EQUIVALENT) -> pd.DataFrame:
    """LM's frontier against each rival's, in both directions.

    Returns:
      network, optimizer, arm, other, strength (the arm's chosen one), distance, low, p,
      and adjusted: p by Holm over all rows.
    """
    rows = []
    for network, optimizer, of_group in groups(runs):
        curves = frontier(of_group)
        if curves and next(iter(curves.values())).shape[1] < LEAST:
            continue
        for ours in (arm for arm in OURS if arm in curves):
            for rival in (arm for arm in RIVALS if arm in curves):
                for arm, other in ((ours, rival), (rival, ours)):
                    # The plain end is no strength of ours.
                    result = outside(curves[arm][:-1], curves[other], margin)
                    strength = strengths(of_group, arm)[result.pop("chosen")]
                    names = (network, optimizer, arm, other, strength)
                    keys = ("network", "optimizer", "arm", "other", "strength")
                    rows.append(dict(zip(keys, names, strict=True)) | result)
    table = pd.DataFrame(rows)
    if rows:
        table["adjusted"] = statistics.holm(table["p"].to_numpy())
    return table


def defaults(runs: pd.DataFrame) -> pd.DataFrame:
    """What each arm's default changes, against plain runs of the same seeds.

    Returns:
      network, optimizer, scenario, arm, n, mean, low, high (points, 95%), p, adjusted
      (by Holm over all rows) and p_equivalent (within ±EQUIVALENT, not adjusted).
    """
    rows = []
    for network, optimizer, of_group in groups(runs):
        for scenario in (x for x in SCENARIOS if x != "rates"):
            if not (of_group["scenario"] == scenario).any():
                continue
            table = accuracies(of_group, scenario)
            plain = table.loc["base"].to_numpy()[0]
            for arm, remedy in REMEDIES.items():
                if arm == "base" or (arm, remedy.default) not in table.index:
                    continue
                difference = table.loc[(arm, remedy.default)].to_numpy() - plain
                change = statistics.paired(difference)
                rows.append(
                    {
                        "network": network,
                        "optimizer": optimizer,
                        "scenario": scenario,
                        "arm": arm,
                        "n": change.n,
                        "mean": change.mean,
                        "low": change.low,
                        "high": change.high,
                        "p": change.p,
                        "p_equivalent": statistics.equivalence_p(
                            difference, EQUIVALENT
                        ),
                    }
                )
    table = pd.DataFrame(rows)
    if rows:
        table["adjusted"] = statistics.holm(table["p"].to_numpy())
    return table
