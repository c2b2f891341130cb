"""SciPy's annealers and `anneal` on the same objectives: evaluations to the target.

An evaluation is one call for U, or for U and ∇U together; SciPy's dual_annealing asks
for U alone and differentiates it numerically in its local searches.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy import optimize

from benchmarks.annealing_numpy import Gradient, rastrigin, schwefel, styblinski_tang
from experiments.annealing import rows as study_rows
from experiments.annealing import search
from experiments.annealing.problems import Problem, problem
from landmod_jax.annealing import METHODS

PROBLEMS: tuple[tuple[str, int, Gradient], ...] = (
    ("rastrigin", 2, rastrigin),
    ("schwefel", 2, schwefel),
    ("styblinski_tang", 5, styblinski_tang),
)
STUDY = Path(__file__).resolve().parent.parent / "results" / "annealing"


class _Reached(Exception):
    pass


class _Counted:
    """U (and ∇U) in NumPy for SciPy; counts calls, and ends a run at the target."""

    def __init__(self, evaluate: Gradient, target: float, most: int, gradient: bool):
        self._evaluate, self._gradient = evaluate, gradient
        self._target, self._most = target, most
        self.count, self.success = 0, False

    def __call__(self, x: np.ndarray) -> Any:
        self.count += 1
        values, grads = self._evaluate(x[None])
        self.success = bool(values[0] <= self._target)
        if self.success or self.count >= self._most:
            raise _Reached
        return (values[0], grads[0]) if self._gradient else values[0]


def _dual_annealing(p: Problem, u: _Counted, start: np.ndarray, seed: int) -> None:
    bounds = [(p.objective.low, p.objective.high)] * p.dimension
    optimize.dual_annealing(u, bounds, x0=start, rng=seed, maxiter=10**6, maxfun=10**9)


def _basinhopping(p: Problem, u: _Counted, start: np.ndarray, seed: int) -> None:
    # SciPy's default step is half of a unit box; a tenth works better.
    width = p.objective.high - p.objective.low
    optimize.basinhopping(
        u,
        start,
        niter=10**6,
        stepsize=width / 10,
        minimizer_kwargs={
            "method": "L-BFGS-B",
            "jac": True,
            "bounds": [(p.objective.low, p.objective.high)] * p.dimension,
        },
        rng=seed,
    )


SCIPY: dict[str, tuple[Callable, bool]] = {
    "dual_annealing": (_dual_annealing, False),
    "basinhopping": (_basinhopping, True),
}


def compare(seeds: int, most: int, study: Path = STUDY) -> list[dict[str, Any]]:
    """A row per problem and optimizer.

    `evaluations` is the number of all evaluations divided by the number of runs that
    reached the target. `anneal` uses the settings that the study chose in its first
    tuning, with fresh chains.
    """
    rows = study_rows.read_rows(study)
    sizes = search.Sizes(**rows.about["sizes"])
    found = []
    for name, dimension, evaluate in PROBLEMS:
        p = problem(name, dimension)
        what = {"objective": name, "dimension": dimension}
        for optimizer, (run, gradient) in SCIPY.items():
            u = _Counted(evaluate, p.target, most, gradient)
            found.append(what | _scipys(p, optimizer, run, u, seeds))
        tuned = rows.settings[rows.settings["chosen"] & (rows.settings["tuning"] == 0)]
        for method in METHODS:
            row = tuned.set_index([*study_rows.PROBLEM, "method"]).loc[
                (name, dimension, method)
            ]
            setting = search.Setting(
                *(float(row[n]) for n in ("unit", "step_size", "initial", "final"))
            )
            found.append(what | _ours(p, method, setting, sizes))
    return found


def _scipys(
    p: Problem, optimizer: str, run: Callable, u: _Counted, seeds: int
) -> dict[str, Any]:
    starts = np.asarray(p.objective.sample(jax.random.key(7), seeds), np.float64)
    spent = successes = 0
    began = time.perf_counter()
    for seed, start in enumerate(starts):
        u.count, u.success = 0, False
        with contextlib.suppress(_Reached):
            run(p, u, start, seed)
        spent += u.count
        successes += u.success
    seconds = time.perf_counter() - began
    return _row(optimizer, spent, successes, seeds, seconds)


def _ours(
    p: Problem, method: str, setting: search.Setting, sizes: search.Sizes
) -> dict[str, Any]:
    search.trial(p, method, setting, jax.random.key(0), sizes)  # compiles
    began = time.perf_counter()
    gaps = search.trial(p, method, setting, jax.random.key(2**20), sizes)
    seconds = time.perf_counter() - began
    reached = gaps <= p.tolerance
    every = sizes.steps // sizes.records
    spent = np.where(reached.any(0), (reached.argmax(0) + 1) * every, sizes.steps)
    successes = int(reached.any(0).sum())
    row = _row(method, int(spent.sum()), successes, sizes.chains, seconds)
    return row | {"evaluations_a_second": sizes.steps * sizes.chains / seconds}


def _row(
    optimizer: str, spent: int, successes: int, runs: int, seconds: float
) -> dict[str, Any]:
    return {
        "optimizer": optimizer,
        "runs": runs,
        "successes": successes,
        "evaluations": spent / successes if successes else None,
        "evaluations_a_second": spent / seconds,
    }
