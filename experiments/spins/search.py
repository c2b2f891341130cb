"""Time to solution: each method is tuned on some instances and evaluated on others.

A trial is one run of many independent chains on one instance. Its time to solution is
the number of sweeps after which repeated runs have succeeded once with 99%
probability, S ln 0.01 / ln(1 − p) with S the sweeps of a run and p its success rate.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import landmod_jax as lm
from experiments.spins import dwave, tempering
from experiments.spins.options import Sizes
from experiments.spins.problems import Family, Instance
from landmod_jax import annealing

TOLERANCE = 1e-3
RECORDS = 64  # points of LM's effective temperature
FIRST_SETTING, FIRST_TRAINING, FIRST_JUDGED = 100, 500, 1000  # seeds


def linear(slope: float) -> lm.Shape:
    """f(u) = slope · u."""
    return lm.Shape(
        f"linear({slope:g})",
        lambda u: slope * u,
        lambda u, eps: jnp.log1p(slope * u / eps) / slope,
    )


# In units of U and, like T, small compared with its range.
SHAPES = {"linear 0.1": linear(0.1), "bounded 1, 3": lm.bounded(1.0, 3.0)}


@dataclasses.dataclass(frozen=True)
class Setting:
    """The parameters that are tuned; temperatures in units of U."""

    first: float
    last: float
    sweeps: int
    shape: str


@dataclasses.dataclass(frozen=True)
class Trial:
    """The results of a run."""

    best: np.ndarray  # (chains,), U minus the model's offset
    seconds: float  # of the processor, for all chains
    sweeps: int  # for each chain, of all its replicas
    path: Any = None  # of `metropolis`


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    result = jax.block_until_ready(run())
    return result, time.process_time() - began


def cooling(setting: Setting) -> np.ndarray:
    """(RECORDS,) temperatures, evenly spaced over a run."""
    return np.geomspace(setting.first, setting.last, RECORDS)


def _interpolated(table: Any, steps: Any, count: Any) -> jax.Array:
    return jnp.interp((count + 1) / steps * RECORDS, jnp.arange(1, RECORDS + 1), table)


def annealed(
    instance: Instance,
    setting: Setting,
    chains: int,
    seed: int,
    table: np.ndarray | None = None,
    **options: Any,
) -> Trial:
    """A run of `metropolis`, at the temperatures of a table or of the setting.

    All runs have the same kind of schedule, to share programs.
    """
    model = instance.model
    start, key = jax.random.split(jax.random.key(seed))
    x0 = model.sample(start, chains)
    steps = setting.sweeps * model.n
    table = cooling(setting) if table is None else table
    temperature = jax.tree_util.Partial(
        _interpolated, jnp.asarray(table, jnp.float32), jnp.float32(steps)
    )
    options = {"steps": steps, "temperature": temperature, "records": 0} | options
    result, seconds = _timed(
        lambda: annealing.metropolis(model, model.flips(), x0, key, **options)
    )
    best = np.asarray(result.best_value) - float(model.offset)
    return Trial(best, seconds, setting.sweeps, result.trajectory)


def modified(
    instance: Instance, setting: Setting, chains: int, seed: int, **options: Any
) -> Trial:
    options["f"] = SHAPES[setting.shape]
    return annealed(instance, setting, chains, seed, **options)


def amounts_to(
    instance: Instance, setting: Setting, chains: int, seed: int
) -> np.ndarray:
    """(RECORDS,) mean of T + f((U − c)₊) over LM's chains along a run."""
    path = modified(instance, setting, chains, seed, records=RECORDS).path
    f = SHAPES[setting.shape](jnp.maximum(path.value - path.c, 0))
    return cooling(setting) + np.asarray(f.mean(1))


def tempered(instance: Instance, setting: Setting, chains: int, seed: int) -> Trial:
    """Parallel tempering, with one copy of all replicas per chain."""
    copies = max(1, chains // 4)
    start, key = jax.random.split(jax.random.key(seed))
    x = instance.model.sample(start, copies * tempering.REPLICAS)
    T = jnp.asarray(tempering.ladder(setting.first, setting.last), jnp.float32)
    sweeps = max(1, setting.sweeps // tempering.REPLICAS)
    best, seconds = _timed(lambda: tempering.run(instance.model, x, key, T, sweeps))
    offset = float(instance.model.offset)
    return Trial(np.asarray(best) - offset, seconds, sweeps * tempering.REPLICAS)


def sampled(instance: Instance, setting: Setting, chains: int, seed: int) -> Trial:
    """The annealer of dwave-samplers, if it is installed."""
    best, seconds = dwave.anneal(
        instance, setting.first, setting.last, setting.sweeps, chains, seed
    )
    return Trial(best, seconds, setting.sweeps)


METHODS: dict[str, Callable[[Instance, Setting, int, int], Trial]] = {
    "plain": annealed,
    "lm": modified,
    "tempering": tempered,
    "dwave": sampled,
}
MATCHED = "matched"
LABELS = {
    "plain": "Metropolis",
    "lm": "LM",
    MATCHED: "Metropolis at LM's temperature",
    "tempering": "parallel tempering",
    "dwave": "dwave-samplers",
}


def draw(family: Family, sizes: Sizes) -> list[Setting]:
    """Draw the settings that all methods share; only LM uses the shape."""
    rng = np.random.default_rng(FIRST_SETTING)
    settings = []
    for i in range(sizes.settings):
        first = float(np.exp(rng.uniform(np.log(0.3), np.log(3.0)))) * family.unit
        last = float(np.exp(rng.uniform(np.log(0.02), np.log(0.3)))) * family.unit
        names = list(SHAPES)
        settings.append(
            Setting(
                first, last, sizes.sweeps[i % len(sizes.sweeps)],
                names[rng.integers(len(names))],
            )
        )  # fmt: skip
    return settings


def to_solution(successes: int, n: int, sweeps: float) -> float:
    """Sweeps to a success with 99% probability; adds half a success to each side."""
    p = (successes + 0.5) / (n + 1)
    return max(1.0, math.log(0.01) / math.log1p(-p)) * sweeps


def successes(trial: Trial, instance: Instance) -> int:
    return int((trial.best <= instance.target + TOLERANCE).sum())


def with_target(
    instance: Instance, family: Family, sizes: Sizes, seed: int
) -> Instance:
    """The instance; if no lowest energy is known, with the best of a long tempering."""
    if np.isfinite(instance.target):
        return instance
    setting = Setting(1.5 * family.unit, 0.1 * family.unit, 8 * max(sizes.sweeps), "")
    best = tempered(instance, setting, sizes.chains, seed).best
    return dataclasses.replace(instance, target=float(best.min()))


def study(name: str, family: Family, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """A row per setting tried and instance evaluated."""
    train, judge = (
        [
            with_target(family.make(first + i), family, sizes, first + i)
            for i in range(count)
        ]
        for first, count in (
            (FIRST_TRAINING, sizes.training),
            (FIRST_JUDGED, sizes.instances),
        )
    )
    settings = draw(family, sizes)
    chosen: dict[str, Setting] = {}

    def row(method: str, stage: str, number: int, instance: Instance, setting: Setting,
            trial: Trial) -> dict[str, Any]:  # fmt: skip
        count = successes(trial, instance)
        return {
            "family": name,
            "method": method,
            "stage": stage,
            "instance": number,
            "first": setting.first,
            "last": setting.last,
            "sweeps": trial.sweeps,
            "shape": setting.shape,
            "chains": len(trial.best),
            "successes": count,
            "seconds": trial.seconds,
        }

    methods = [m for m in METHODS if m != "dwave" or dwave.installed()]
    for method in methods:
        scores = []
        for place, setting in enumerate(settings):
            total = 0.0
            for number, instance in enumerate(train):
                seed = FIRST_TRAINING + 100 * place + number
                trial = METHODS[method](instance, setting, sizes.chains, seed)
                tried = row(method, "tuning", number, instance, setting, trial)
                total += math.log(
                    to_solution(tried["successes"], tried["chains"], trial.sweeps)
                )
                yield tried
            scores.append(total)
        chosen[method] = settings[int(np.argmin(scores))]
    table = np.mean(
        [
            amounts_to(instance, chosen["lm"], sizes.chains, FIRST_TRAINING + number)
            for number, instance in enumerate(train)
        ],
        axis=0,
    )
    chosen[MATCHED] = chosen["lm"]
    runners = METHODS | {MATCHED: functools.partial(annealed, table=table)}
    for method in [*methods, MATCHED]:
        setting = chosen[method]
        # Compilation for this method is not timed.
        runners[method](train[0], setting, sizes.chains, FIRST_JUDGED)
        for number, instance in enumerate(judge):
            seed = FIRST_JUDGED + number
            trial = runners[method](instance, setting, sizes.chains, seed)
            yield row(method, "judged", number, instance, setting, trial)
