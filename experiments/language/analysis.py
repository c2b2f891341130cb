"""Results from the rows: sensitivity to the learning rate, spikes, best loss."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from experiments.language.arms import ARMS, OPTIMIZERS
from experiments.language.models import MODELS
from experiments.report import statistics

EQUIVALENT = 0.02  # nats per character
SURE = 0.05
# Each is compared with every other arm of its network and optimizer.
OURS = {"adamw": ("lm", "lm_after", "lm_after_warmup"), "adabelief": ("lm_c0", "lm")}
# A comparison's difference, its interval, and its p, by what is compared.
COMPARED = ("sensitivity", "best")


def groups(runs: pd.DataFrame) -> Iterator[tuple[str, str, dict[str, pd.DataFrame]]]:
    """Each network and optimizer with its arms' rows, in order."""
    for optimizer in OPTIMIZERS:
        for model in MODELS:
            some = runs[(runs["model"] == model) & (runs["optimizer"] == optimizer)]
            arms = dict(iter(some.groupby("arm")))
            if arms:
                yield model, optimizer, {arm: arms[arm] for arm in ARMS if arm in arms}


def losses(part: pd.DataFrame, column: str) -> np.ndarray:
    """A case's losses (seeds, rates), none above the one before training.

    A run that diverges counts with its loss before training, as one that learns
    nothing.
    """
    values, first = (
        part.pivot(index="seed", columns="rate", values=name).to_numpy(float)
        for name in (column, "first")
    )
    return np.fmin(values, first)


def sensitivities(losses: np.ndarray) -> np.ndarray:
    """(seeds, rates) to (seeds,): the sensitivity to the learning rate.

    It is E[min(ℓ(η), ℓ₀) − ℓ*] over the rates η of the grid, where ℓ is the held-out
    loss after training, ℓ₀ the one before, and ℓ* the best of all rates (M. Wortsman
    and others, 2023, arXiv:2309.14322, section 2.2). `losses` are min(ℓ, ℓ₀) already.
    """
    return losses.mean(axis=1) - losses.min(axis=1)


def chosen(part: pd.DataFrame) -> float:
    """The case's rate with the best mean held-out loss; the smaller one if tied."""
    rates = sorted(set(part["rate"]))
    return float(rates[losses(part, "held_out").mean(axis=0).argmin()])


def best(part: pd.DataFrame) -> np.ndarray:
    """(seeds,): the loss on the test text at the chosen rate."""
    rates = sorted(set(part["rate"]))
    return losses(part, "test")[:, rates.index(chosen(part))]


def measures(part: pd.DataFrame) -> dict[str, np.ndarray]:
    """What is compared, (seeds,) each."""
    return {
        "sensitivity": sensitivities(losses(part, "held_out")),
        "best": best(part),
    }


def summary(part: pd.DataFrame) -> dict[str, Any]:
    """A case: means, deviations and intervals of its measures, rate, spikes, scale."""
    row: dict[str, Any] = {"n": part["seed"].nunique(), "chosen": chosen(part)}
    for name, values in measures(part).items():
        low, high = statistics.interval(values)
        row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
        row[f"{name}_deviation"] = values.std(ddof=1) if len(values) > 1 else np.nan
    row["spikes"] = part["spikes"].mean()
    row["scale"] = part[part["rate"] == row["chosen"]]["scale"].mean()
    row["lost"] = int((~(part["held_out"] < part["first"])).sum())
    return row


def comparisons(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each of OURS and each other arm of a network and an optimizer.

    Returns:
      model, optimizer, arm, other, n (pairs); for both of COMPARED: the difference
      (the arm's minus the other's), its _low, _high and _p; best_equivalent (p of
      equivalence within ±EQUIVALENT). The _p are adjusted by Holm, over all
      comparisons of an optimizer, for each of COMPARED.
    """
    rows = []
    for model, optimizer, arms in groups(runs):
        ours = [arm for arm in OURS[optimizer] if arm in arms]
        for place, arm in enumerate(ours):
            for other in arms:
                if other == arm or other in ours[:place]:
                    continue
                row = {"model": model, "optimizer": optimizer, "arm": arm}
                rows.append(row | {"other": other} | _compared(arms[arm], arms[other]))
    table = pd.DataFrame(rows)
    for name in COMPARED if len(table) else ():
        for optimizer in set(table["optimizer"]):
            those = table["optimizer"] == optimizer
            p = table.loc[those, f"{name}_p"].to_numpy(float)
            table.loc[those, f"{name}_p"] = statistics.holm(p)
    return table


def _compared(ours: pd.DataFrame, other: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {"n": ours["seed"].nunique()}
    mine, theirs = measures(ours), measures(other)
    for name in COMPARED:
        difference = mine[name] - theirs[name]
        paired = statistics.paired(difference)
        row |= {
            name: paired.mean,
            f"{name}_low": paired.low,
            f"{name}_high": paired.high,
        }
        row[f"{name}_p"] = paired.p
    row["best_equivalent"] = statistics.equivalence_p(difference, EQUIVALENT)
    return row
