"""Measures the study, problem by problem, on all cores."""

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.annealing import escape, search
from experiments.annealing.options import Plan
from experiments.annealing.problems import Problem, problem
from experiments.annealing.rows import PROBLEM
from experiments.study.record import Arrays, Context
from landmod_jax import annealing
from landmod_jax.annealing import METHODS

PATH_ON = "rastrigin"
PATH_STEPS = 500


def measure(config: Plan, context: Context) -> dict[str, pd.DataFrame]:
    """Measure every table, and print a line for each problem and method."""
    sizes = search.Sizes(config.steps, config.chains, config.settings, config.records)
    problems = [
        problem(name, d) for name in config.objectives for d in config.dimensions
    ]
    cases = [(p, method) for p in problems for method in search.ALL]

    def tune(case: tuple[Problem, str]) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        p, method = case
        pairs = []
        for i in range(config.tunings):
            name = _tuning(p.name, p.dimension, method, i)
            tuned = functools.partial(_tuned, p, method, i, sizes)
            pairs.append(_pair(context.kept(name, tuned)))
        rates = [(chains["evaluations"] > 0).mean() for _, chains in pairs]
        percent = ", ".join(f"{100 * rate:.0f}%" for rate in rates)
        context.say(f"{p.name}, d = {p.dimension}, {method}: {percent}")
        return pairs

    # XLA releases the interpreter's lock, and a trial is too small for two cores.
    pool = ThreadPoolExecutor(os.cpu_count())
    wait = True
    try:
        tuned = [pair for pairs in pool.map(tune, cases) for pair in pairs]
        escapes = _escapes(config, pool.map, context)
    except KeyboardInterrupt:  # a second Ctrl-C
        wait = False
        raise
    finally:
        pool.shutdown(wait, cancel_futures=True)
    chains = pd.concat([chains for _, chains in tuned], ignore_index=True)
    return {
        "chains": chains.drop(columns="curve"),
        "settings": pd.concat([tried for tried, _ in tuned], ignore_index=True),
        "curves": _curves(chains, sizes),
        "escapes": escapes,
        "paths": _paths(),
    }


def tunings(config: Plan) -> Iterator[str]:
    """The names of the pieces that are not escapes."""
    for objective, d, method in itertools.product(
        config.objectives, config.dimensions, search.ALL
    ):
        yield from (_tuning(objective, d, method, i) for i in range(config.tunings))


def places(config: Plan) -> list[tuple[str, float, float]]:
    """Where escapes are timed: sweep, barrier, temperature."""
    first, last = config.temperatures[0], config.barriers[-1]
    return [
        *(("barrier", barrier, first) for barrier in config.barriers),
        *(("temperature", last, T) for T in config.temperatures),
    ]


def _tuning(objective: str, dimension: int, method: str, number: int) -> str:
    return f"{objective}-{dimension}-{method}-{number}"


def _tuned(p: Problem, method: str, tuning: int, sizes: search.Sizes) -> Arrays:
    return _arrays(search.tuned(p, method, tuning, sizes))


def _arrays(pair: tuple[pd.DataFrame, pd.DataFrame]) -> Arrays:
    """Columns of the settings and of the chains, as arrays of numbers and text."""
    arrays = {}
    for kind, frame in zip(("settings", "chains"), pair):
        for column in frame:
            values = frame[column]
            array = np.stack(values.to_list()) if column == "curve" else values.array
            text = values.dtype.kind == "O" and column != "curve"
            arrays[f"{kind}.{column}"] = np.asarray(array, str if text else None)
    return arrays


def _pair(arrays: Mapping[str, np.ndarray]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Undo `_arrays`."""
    frames: dict[str, dict[str, Any]] = {"settings": {}, "chains": {}}
    for name, array in arrays.items():
        kind, column = name.split(".")
        frames[kind][column] = list(array) if column == "curve" else array
    settings, chains = map(pd.DataFrame, frames.values())
    return settings, chains


def _curves(chains: pd.DataFrame, sizes: search.Sizes) -> pd.DataFrame:
    every = sizes.steps // sizes.records
    parts = []
    for key, group in chains.groupby([*PROBLEM, "method"], sort=False):
        gaps = np.stack(group["curve"].to_list())
        low, middle, high = np.quantile(gaps, (0.25, 0.5, 0.75), axis=0)
        parts.append(
            pd.DataFrame(
                dict(zip([*PROBLEM, "method"], key))
                | {
                    "evaluations": every * np.arange(1, sizes.records + 1),
                    "quarter": low,
                    "median": middle,
                    "three_quarters": high,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _escapes(
    config: Plan, map_: Callable[..., Iterable[Any]], context: Context
) -> pd.DataFrame:
    sizes = escape.Sizes(config.chains, config.escape_steps)
    cases = [(*case, *place) for case in escape.CASES for place in places(config)]

    def row(numbered: tuple[int, tuple]) -> dict[str, Any]:
        i, (method, share, sweep, barrier, temperature) = numbered

        def measured() -> Arrays:
            exact = np.nan
            if not METHODS[method].kinetic:
                exact = escape.exact_mean_time(share, barrier, temperature)
            timed = escape.escapes(method, share, barrier, temperature, sizes)
            counts = {name: timed[name] for name in ("escapes", "chains", "mean_time")}
            return {k: np.asarray(v) for k, v in (counts | {"exact": exact}).items()}

        what = {"sweep": sweep, "method": method, "share": share, "barrier": barrier}
        timed = context.kept(f"escape-{i}", measured)
        return (
            what
            | {"temperature": temperature}
            | {name: value.item() for name, value in timed.items()}
        )

    context.say("escapes from a double well")
    return pd.DataFrame(map_(row, enumerate(cases)))


def _paths() -> pd.DataFrame:
    """A chain of each diffusion, from the same point, with the same cooling."""
    p = problem(PATH_ON, 2)
    low, width = p.objective.low, p.objective.high - p.objective.low
    parts = []
    method: Any
    for method in METHODS:
        path = annealing.anneal(
            jax.tree_util.Partial(p.scaled, np.float32(p.spread)),
            jnp.array([[0.85, 0.2]]),
            jax.random.key(1),
            method=method,
            steps=PATH_STEPS,
            step_size=0.03 if METHODS[method].kinetic else 3e-4,
            temperature=annealing.geometric(1.0, 0.01, PATH_STEPS),
            bounds=(0.0, 1.0),
            records=PATH_STEPS,
        ).trajectory
        x = low + width * np.asarray(path.x[:, 0])
        columns = {"step": path.step, "x1": x[:, 0], "x2": x[:, 1]}
        parts.append(pd.DataFrame({"objective": PATH_ON, "method": method} | columns))
    return pd.concat(parts, ignore_index=True)
