"""Measures the study, problem by problem, on all cores."""

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.annealing import escape, search
from experiments.annealing.options import Config
from experiments.annealing.problems import Problem, problem
from experiments.study.record import Arrays, Context
from landmod_jax import annealing
from landmod_jax.annealing import METHODS

FIRST_TUNING = 100  # the first study had 0 to 2
PATH_ON = "rastrigin"
PATH_STEPS = 500


def measure(config: Config, context: Context) -> dict[str, pd.DataFrame]:
    """Measure every table, and print a line for each problem and method."""
    sizes = search.Sizes(config.steps, config.chains, config.settings, config.records)
    problems = [
        problem(name, d) for name in config.objectives for d in config.dimensions
    ]
    cases = [(p, method) for p in problems for method in search.ALL]

    def tune(case: tuple[Problem, str]) -> list[Arrays]:
        p, method = case
        pieces = []
        for i in _numbers(config):
            name = _tuning(p.name, p.dimension, method, i)
            tuned = functools.partial(search.tuned, p, method, i, sizes)
            pieces.append(context.kept(name, tuned))
        rates = [100 * (piece["evaluations"] > 0).mean() for piece in pieces]
        context.say(
            f"{p.name}, d = {p.dimension}, {method}: {np.mean(rates):.0f}% of chains "
            f"reach the target ({min(rates):.0f} to {max(rates):.0f}% of a tuning's)"
        )
        return pieces

    # XLA releases the interpreter's lock, and a trial is too small for two cores.
    pool = ThreadPoolExecutor(os.cpu_count())
    wait = True
    try:
        tuned = list(pool.map(tune, cases))
        escapes = _escapes(config, pool.map, context)
    except KeyboardInterrupt:  # a second Ctrl-C
        wait = False
        raise
    finally:
        pool.shutdown(wait, cancel_futures=True)
    of_cases = [_frames(*case, of, sizes) for case, of in zip(cases, tuned)]
    return {
        name: pd.concat([frames[name] for frames in of_cases], ignore_index=True)
        for name in ("chains", "settings", "curves")
    } | {"escapes": escapes, "paths": _paths()}


def tunings(config: Config) -> Iterator[str]:
    """The names of the pieces that are not escapes."""
    for objective, d, method in itertools.product(
        config.objectives, config.dimensions, search.ALL
    ):
        yield from (_tuning(objective, d, method, i) for i in _numbers(config))


def places(config: Config) -> list[tuple[str, float, float]]:
    """Where escapes are timed: sweep, barrier, temperature."""
    first, last = config.temperatures[0], config.barriers[-1]
    return [
        *(("barrier", barrier, first) for barrier in config.barriers),
        *(("temperature", last, T) for T in config.temperatures),
    ]


def _numbers(config: Config) -> range:
    return range(FIRST_TUNING, FIRST_TUNING + config.tunings)


def _tuning(objective: str, dimension: int, method: str, number: int) -> str:
    return f"tuning-{objective}-{dimension}-{method}-{number}"


def _frames(
    p: Problem, method: str, pieces: Sequence[Arrays], sizes: search.Sizes
) -> dict[str, pd.DataFrame]:
    """The tables of a problem and a method, from its tunings."""
    what = {"objective": p.name, "dimension": p.dimension, "method": method}
    chains, settings = [], []
    for tuning, piece in enumerate(pieces, FIRST_TUNING):
        names = ("gap", "evaluations")
        of_chains = {
            "chain": np.arange(len(piece["gap"])),
            "gap": [float(f"{gap:.4g}") for gap in piece["gap"]],  # for a smaller file
            "evaluations": piece["evaluations"],
        }
        of_settings = {k: x for k, x in piece.items() if k not in (*names, "curve")}
        chains.append(pd.DataFrame(what | {"tuning": tuning} | of_chains))
        settings.append(pd.DataFrame(what | {"tuning": tuning} | of_settings))
    gaps = np.concatenate([piece["curve"] for piece in pieces])
    every = sizes.steps // sizes.records
    curve = {"evaluations": every * np.arange(1, sizes.records + 1)}
    quartiles = ("quarter", "median", "three_quarters")
    curve |= dict(zip(quartiles, np.quantile(gaps, (0.25, 0.5, 0.75), axis=0)))
    return {
        "chains": pd.concat(chains),
        "settings": pd.concat(settings),
        "curves": pd.DataFrame(what | curve),
    }


def _escapes(
    config: Config, map_: Callable[..., Iterable[Any]], context: Context
) -> pd.DataFrame:
    sizes = escape.Sizes(config.chains, config.escape_steps)
    cases = [(*case, *place) for case in escape.CASES for place in places(config)]

    def row(numbered: tuple[int, tuple]) -> dict[str, Any]:
        i, (method, share, sweep, barrier, temperature) = numbered

        def measured() -> Arrays:
            exact = np.nan
            if not METHODS[method].kinetic:
                exact = escape.exact_mean_time(share, barrier, temperature)
            key = jax.random.fold_in(jax.random.key(FIRST_TUNING), i)
            timed = escape.escapes(method, share, barrier, temperature, sizes, key)
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
