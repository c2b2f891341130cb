"""The study's tables, and its rows as `tables` and `pictures` take them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.annealing.objectives import OBJECTIVES
from experiments.annealing.search import ALL
from experiments.study.record import ANYTHING, COUNT, Column, Index, Rows, Table
from landmod_jax.annealing import METHODS

PART = "annealing"  # the study's only part
PROBLEM = ["objective", "dimension"]
WORDS = {
    "langevin": "Langevin (2.2)",
    "kinetic": "kinetic (2.5)",
    "improved": "improved (2.7)",
    "improved_kinetic": "improved kinetic (2.8)",
    "descent": "gradient descent",
    "random": "random points",
}
SIZES = ("steps", "chains", "settings", "records")

_OBJECTIVE = Column(choices=OBJECTIVES)
_METHOD = Column(choices=ALL)
_SHARE = Column(low=0, high=1)
_PROBLEM = {
    "dimension": Column(low=1, high=10_000, whole=True),
    "objective": _OBJECTIVE,
    "method": _METHOD,
}
_KEYS = (*PROBLEM, "method")
TABLES: Mapping[str, Table] = {
    "chains": Table(
        "chains.csv.gz",
        {"tuning": COUNT, "chain": COUNT, "gap": ANYTHING, "evaluations": COUNT}
        | _PROBLEM,
        (*_KEYS, "tuning", "chain"),
    ),
    "settings": Table(
        "settings.csv.gz",
        {"tuning": COUNT, "success": _SHARE, "median_gap": ANYTHING}
        | dict.fromkeys(("unit", "step_size", "initial", "final"), ANYTHING)
        | {"chosen": Column(choices=("True", "False"))}
        | _PROBLEM,
    ),
    "curves": Table(
        "curves.csv.gz",
        {"evaluations": COUNT}
        | dict.fromkeys(("quarter", "median", "three_quarters"), ANYTHING)
        | _PROBLEM,
        (*_KEYS, "evaluations"),
    ),
    "escapes": Table(
        "escapes.csv",
        {
            "share": ANYTHING, "barrier": Column(low=0), "temperature": Column(low=0),
            "escapes": COUNT, "chains": COUNT, "mean_time": ANYTHING, "exact": ANYTHING,
            "sweep": Column(choices=("barrier", "temperature")),
            "method": Column(choices=METHODS),
        },
        ("sweep", "method", "share", "barrier", "temperature"),
    ),
    "paths": Table(
        "paths.csv.gz",
        {
            "step": COUNT, "x1": ANYTHING, "x2": ANYTHING, "objective": _OBJECTIVE,
            "method": Column(choices=METHODS),
        },
        ("objective", "method", "step"),
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Tables:
    """The study's tables, the sizes of its trials, and its origin."""

    chains: pd.DataFrame
    settings: pd.DataFrame
    curves: pd.DataFrame
    escapes: pd.DataFrame
    paths: pd.DataFrame
    sizes: Mapping[str, int]
    about: Mapping[str, Any]


def of(rows: Rows, index: Index) -> Tables:
    about = index.parts[PART]
    sizes = about.get("sizes") or {name: index.option(name, None) for name in SIZES}
    check(sizes)
    frames = dict(rows[PART])
    chosen = frames["settings"]["chosen"] == "True"
    frames["settings"] = frames["settings"].assign(chosen=chosen)
    return Tables(**frames, sizes=sizes, about=about)


def check(sizes: Any) -> None:
    """Raise ValueError for what are no sizes of trials."""
    for name in SIZES:
        size = sizes.get(name) if isinstance(sizes, dict) else None
        if type(size) is not int or not 1 <= size < 2**53:
            raise ValueError(f"the index has no whole number of {name}")


def upgrade(content: dict[str, Any]) -> dict[str, Any]:
    """An index from before the studies had one form: all of it about the one part."""
    if "sizes" not in content:
        return content
    check(content["sizes"])
    return {PART: content}
