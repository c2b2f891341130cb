"""All of the study's measurements, problem by problem, on all cores."""

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.annealing import escape, search
from experiments.annealing.problems import Problem, problem
from experiments.annealing.report import PROBLEM, Rows
from experiments.commands.anneal import Config
from experiments.runs.provenance import provenance
from experiments.runs.rows import without_places
from landmod_jax import annealing
from landmod_jax.annealing import METHODS

PATH_ON = "rastrigin"
PATH_STEPS = 500


def measure(config: Config) -> Rows:
    """Run the study; prints a line for each problem and method."""
    began, origin = time.perf_counter(), provenance()
    sizes = search.Sizes(config.steps, config.chains, config.settings, config.records)
    problems = [
        problem(name, d) for name in config.objectives for d in config.dimensions
    ]
    cases = [(p, method) for p in problems for method in search.ALL]

    def tune(case: tuple[Problem, str]) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        p, method = case
        found = [search.tuned(p, method, i, sizes) for i in range(config.tunings)]
        rates = [(chains["evaluations"] > 0).mean() for _, chains in found]
        percent = ", ".join(f"{100 * rate:.0f} %" for rate in rates)
        print(f"{p.name}, d = {p.dimension}, {method}: {percent}", flush=True)
        return found

    # XLA gives up the interpreter's lock, and a trial is too small for two cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [pair for pairs in pool.map(tune, cases) for pair in pairs]
        escapes = _escapes(config, pool.map)
    settings = pd.concat([tried for tried, _ in found], ignore_index=True)
    chains = pd.concat([chains for _, chains in found], ignore_index=True)
    return Rows(
        chains=chains.drop(columns="curve"),
        settings=settings,
        curves=_curves(chains, sizes),
        escapes=escapes,
        paths=_paths(),
        about={"sizes": vars(sizes), "seconds": time.perf_counter() - began}
        | origin
        | {"command": without_places(origin["command"])},
    )


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


def _escapes(config: Config, map_: Callable[..., Iterable[Any]]) -> pd.DataFrame:
    sizes = escape.Sizes(config.chains, config.escape_steps)
    first, last = config.temperatures[0], config.barriers[-1]
    places = [("barrier", barrier, first) for barrier in config.barriers]
    places += [("temperature", last, T) for T in config.temperatures]
    cases = [(*case, *place) for case in escape.CASES for place in places]

    def row(case: tuple) -> dict[str, Any]:
        method, share, sweep, barrier, temperature = case
        exact = np.nan
        if not METHODS[method].kinetic:
            exact = escape.exact_mean_time(share, barrier, temperature)
        timed = escape.escapes(method, share, barrier, temperature, sizes)
        return {"sweep": sweep} | timed | {"exact": exact}

    print("escapes from a double well", flush=True)
    return pd.DataFrame(map_(row, cases))


def _paths() -> pd.DataFrame:
    """A chain of each diffusion, from the same point, with the same cooling."""
    p = problem(PATH_ON, 2)
    low, width = p.objective.low, p.objective.high - p.objective.low
    parts = []
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
