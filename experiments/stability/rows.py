"""The rows of a case, from its runs; the rows of all cases as one table."""

from typing import Any

import numpy as np
import pandas as pd

from experiments.stability import program
from experiments.stability.options import Case
from experiments.study import cases
from experiments.study.record import Rows

CURVES_OF = 3  # seeds
EVERY = 10  # steps


def frames(
    outcome: program.Outcome, seeds: Any, rates: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A case's rows, one per run, and its curves."""
    seed, rate = np.meshgrid(seeds, rates, indexing="ij")
    columns = {
        "seed": seed,
        "rate": rate,
        "test_accuracy": outcome.test_accuracy,
        "held_out_accuracy": outcome.held_out_accuracy,
        "loss": program.averaged(outcome.losses)[..., -1],
        "collapsed": program.collapsed(outcome).astype(int),
        "collapse_step": program.collapse_steps(outcome),
    }
    runs = pd.DataFrame({name: x.ravel() for name, x in columns.items()})
    few = slice(CURVES_OF)
    curves = {"loss": outcome.losses[few]}
    curves["scale"] = outcome.losses[few] * np.nan
    if outcome.scales is not None:
        curves["scale"] = outcome.scales[few]
    steps = outcome.losses.shape[-1] // EVERY
    means = {
        name: x[..., : steps * EVERY]
        .reshape(*x.shape[:-1], steps, EVERY)
        .mean(axis=-1, dtype=np.float64)
        for name, x in curves.items()
    }
    places = np.meshgrid(
        list(seeds)[few], rates, EVERY * np.arange(1, steps + 1), indexing="ij"
    )
    table = dict(zip(("seed", "rate", "step"), places, strict=True)) | means
    return runs, pd.DataFrame({name: x.ravel() for name, x in table.items()})


def joined(rows: Rows, table: str) -> pd.DataFrame:
    """The rows (or curves) of all cases, with the columns KEYS first."""
    whole = cases.joined(Case, rows, table)
    if table == "rows":
        whole["collapsed"] = whole["collapsed"] == 1
    return whole
