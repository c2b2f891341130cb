"""Methods on problems: draw settings, choose the best, evaluate it on fresh chains.

Every method gets the same number of settings, drawn from the same ranges with the same
random numbers. Every chain gets the same number of evaluations of U (and of ∇U, except
in random search).
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.annealing.problems import Problem
from landmod_jax import annealing
from landmod_jax.annealing import METHODS

# Two controls: gradient descent alone (T = 0), and uniform random points.
DESCENT, RANDOM = "descent", "random"
ALL = (*METHODS, DESCENT, RANDOM)

# Log-uniform ranges. Energies are in units of unit · spread, which is also the scale of
# the bounded f: its bound and its width. Times are in units of the unit box.
UNIT = (0.005, 1.0)
INITIAL = (0.03, 3.0)  # T(0), in those units
FINAL = (1e-4, 1e-1)  # of T(0)
STEP_SIZE = {False: (1e-6, 1e-3), True: (1e-3, 3e-1)}  # overdamped, kinetic


@dataclasses.dataclass(frozen=True)
class Setting:
    """The parameters that are tuned."""

    unit: float
    step_size: float
    initial: float
    final: float


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The size of the search, for each problem, method and tuning."""

    steps: int
    chains: int
    settings: int
    records: int


def _diffusion(method: str) -> annealing.MethodName:
    """Gradient descent is the overdamped diffusion at temperature 0."""
    return next((known for known in METHODS if known == method), "langevin")


def draw(method: str, tuning: int, count: int) -> list[Setting]:
    """`count` settings; the same random numbers for each method."""
    u = np.random.default_rng(tuning).uniform(size=(count, 4))
    kinetic = method in METHODS and METHODS[method].kinetic
    ranges = (UNIT, STEP_SIZE[kinetic], INITIAL, FINAL)
    low, high = np.log(np.array(ranges)).T
    values = np.exp(low + (high - low) * u)
    return [Setting(*map(float, row)) for row in values]


def trial(
    problem: Problem, method: str, setting: Setting, key: jax.Array, sizes: Sizes
) -> np.ndarray:
    """The gap of the best value so far to the minimum: (records, chains).

    Start points depend only on the key, so the methods share them.
    """
    key, start = jax.random.split(key)
    x = problem.start(start, sizes.chains)
    scale = np.float32(setting.unit * problem.spread)
    energy = jax.tree_util.Partial(problem.scaled, scale)
    if method == RANDOM:
        best = _random(energy, x, key, sizes.steps, sizes.records)
    else:
        temperature: Any = 0.0
        if method != DESCENT:
            final = setting.initial * setting.final
            temperature = annealing.geometric(setting.initial, final, sizes.steps)
        best = annealing.anneal(
            energy,
            x,
            key,
            method=_diffusion(method),
            steps=sizes.steps,
            step_size=setting.step_size,
            temperature=temperature,
            bounds=(0.0, 1.0),
            records=sizes.records,
        ).trajectory.best_value
    return np.asarray(best, np.float64) * float(scale) - problem.objective.minimum


@jax.jit(static_argnames=("steps", "records"))
def _random(energy: Any, x: jax.Array, key: jax.Array, steps: int, records: int):
    values = jax.vmap(energy)

    def segment(best: jax.Array, i: jax.Array):
        points = jax.random.uniform(
            jax.random.fold_in(key, i), (steps // records, *x.shape)
        )
        best = jnp.minimum(best, jax.vmap(values)(points).min(0))
        return best, best

    return jax.lax.scan(segment, values(x), jnp.arange(records))[1]


def score(gaps: np.ndarray, problem: Problem) -> tuple[float, float]:
    """The criterion for settings: success rate, then the lower median gap."""
    last = np.nan_to_num(gaps[-1], nan=np.inf, posinf=np.inf)
    return float((last <= problem.tolerance).mean()), -float(np.median(last))


def tuned(
    problem: Problem, method: str, tuning: int, sizes: Sizes
) -> dict[str, np.ndarray]:
    """One method on one problem, tuned and then run on fresh chains.

    Returns:
      Of each setting, its parameters (except in random search), success, median_gap and
      whether it was chosen. Of each of the chosen one's chains, gap at the end,
      evaluations until it reached the target (0: not within the budget), and curve, the
      gap at each record.
    """
    tuning_key, fresh_key = jax.random.split(jax.random.key(tuning))
    settings = draw(method, tuning, 1 if method == RANDOM else sizes.settings)
    scores = [
        score(trial(problem, method, setting, tuning_key, sizes), problem)
        for setting in settings
    ]
    best = max(range(len(scores)), key=scores.__getitem__)
    gaps = trial(problem, method, settings[best], fresh_key, sizes)
    success, median = np.array(scores).T
    reached = gaps <= problem.tolerance
    first = np.where(reached.any(0), reached.argmax(0) + 1, 0)
    names = () if method == RANDOM else [f.name for f in dataclasses.fields(Setting)]
    return {name: np.array([getattr(s, name) for s in settings]) for name in names} | {
        "success": success,
        "median_gap": -median,
        "chosen": np.arange(len(settings)) == best,
        "gap": gaps[-1],
        "evaluations": first * (sizes.steps // sizes.records),
        "curve": gaps.T,
    }
