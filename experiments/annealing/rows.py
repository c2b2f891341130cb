"""The study's tables."""

from collections.abc import Mapping

from experiments.annealing.objectives import OBJECTIVES
from experiments.annealing.search import ALL
from experiments.study.record import ANYTHING, COUNT, Column, Table
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

_OBJECTIVE = Column(choices=OBJECTIVES)
_SHARE = Column(low=0, high=1)
_PROBLEM = {
    "dimension": Column(low=1, high=10_000, whole=True),
    "objective": _OBJECTIVE,
    "method": Column(choices=ALL),
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
