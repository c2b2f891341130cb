"""The rows of a case, from its runs; the rows of all cases as one table."""

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.language import program
from experiments.language.options import Case
from experiments.study import cases
from experiments.study.record import Arrays, Frames

CURVES_OF = 2  # seeds
EVERY = 10  # steps
joined = functools.partial(cases.joined, Case)


def frames(
    runs: Sequence[Arrays], seeds: Sequence[int], rates: Sequence[float], window: int
) -> Frames:
    """A case's rows, one per run, and the curves of its first seeds."""
    rows, curves = [], []
    for seed, of_seed in zip(seeds, runs, strict=True):
        losses = of_seed["losses"]
        columns = {
            "seed": seed,
            "rate": rates,
            "first": of_seed["first"],
            "held_out": of_seed["held_out"],
            "test": of_seed["test"],
            "spikes": program.spikes(losses, window),
            "scale": mean_scales(of_seed),
        }
        rows.append(pd.DataFrame(columns))
        if len(rows) <= CURVES_OF:
            scales = of_seed.get("scales", np.full(losses.shape, np.nan))
            step = EVERY * np.arange(1, losses.shape[1] // EVERY + 1)
            for rate, *of_steps in zip(rates, losses, scales, strict=True):
                loss, scale = (
                    x[: step[-1]].reshape(-1, EVERY).mean(axis=1, dtype=np.float64)
                    for x in of_steps
                )
                table = {"seed": seed, "rate": rate, "step": step, "loss": loss}
                curves.append(pd.DataFrame(table | {"scale": scale}))
    return {"rows": pd.concat(rows), "curves": pd.concat(curves)}


def mean_scales(of_seed: Arrays) -> np.ndarray:
    """(rates,): the mean of LM's scales over the steps; NaN without LM."""
    if "scales" not in of_seed:
        return np.full(len(of_seed["losses"]), np.nan)
    return of_seed["scales"].mean(axis=1, dtype=np.float64)
