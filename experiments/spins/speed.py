"""Sweeps per second: `metropolis`, a NumPy loop that does the same, dwave-samplers."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from experiments.spins import dwave
from experiments.spins.options import Sizes
from experiments.spins.problems import Instance, dense_of, loops
from landmod_jax import annealing

FIRST, LAST = 3.0, 0.3
PROGRAMS = ("metropolis", "metropolis, LM", "NumPy", "NumPy, LM", "dwave-samplers")


def numpy_loop(
    neighbors: np.ndarray,
    weights: np.ndarray,
    x: np.ndarray,
    uniform: Callable[[int], np.ndarray],
    temperature: Callable[[int], float],
    steps: int,
    lm_slope: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The default flips on all chains at once, by the heat bath; keeps the best states.

    Args:
      neighbors, weights: (n, degree), of each site.
      x: (n, chains), changed in place.
      uniform: a step's uniforms, (chains,).
      temperature: T of a step.
      lm_slope: slope of f(u) = slope · u above each chain's minimum; 0 for no LM.

    Returns:
      The best states (n, chains) and their energies (chains,).
    """
    n = len(x)
    value = np.zeros(x.shape[1], np.float32)
    for i in range(n):
        value -= x[i] * (weights[i] @ x[neighbors[i]]) / 2
    best_x, best = x.copy(), value.copy()
    for step in range(steps):
        i, T = step % n, np.float32(temperature(step))
        change = 2 * x[i] * (weights[i] @ x[neighbors[i]])
        rise = change / T
        if lm_slope:
            low = value - best
            high = low + change
            at_low = np.log1p(lm_slope * np.maximum(low, 0) / T) / lm_slope
            at_high = np.log1p(lm_slope * np.maximum(high, 0) / T) / lm_slope
            rise = at_high - at_low + (np.minimum(high, 0) - np.minimum(low, 0)) / T
        with np.errstate(over="ignore"):
            accepted = uniform(step) <= 1 / (1 + np.exp(rise))
        x[i] = np.where(accepted, -x[i], x[i])
        value += np.where(accepted, change, np.float32(0))
        better = value < best
        if better.any():
            best_x[:, better] = x[:, better]
            best[better] = value[better]
    return best_x, best


def table(instance: Instance) -> tuple[np.ndarray, np.ndarray]:
    """(n, degree) neighbors and weights of any couplings."""
    n = instance.model.n
    matrix = np.zeros((n, n), np.float32)
    matrix[tuple(instance.pairs.T)] = instance.J
    matrix += matrix.T
    degree = (matrix != 0).sum(1).max()
    neighbors = np.argsort(matrix == 0, axis=1, kind="stable")[:, :degree]
    return neighbors, np.take_along_axis(matrix, neighbors, 1)


def measure(sizes: Sizes, small: bool) -> Iterator[dict[str, Any]]:
    """A row per problem, program and repetition, taking turns."""
    sparse = loops(3 if small else 6, 0)
    for name, instance in (
        ("sparse", sparse),
        ("dense", dense_of(12 if small else 128)),
    ):
        programs = _programs(instance, sizes)
        for run in programs.values():
            run()
        for repetition in range(sizes.repetitions):
            for program, run in programs.items():
                began, used = time.perf_counter(), time.process_time()
                run()
                yield {
                    "problem": name,
                    "n": instance.model.n,
                    "program": program,
                    "repetition": repetition,
                    "chains": sizes.speed_chains,
                    "sweeps": sizes.speed_sweeps,
                    "wall": time.perf_counter() - began,
                    "processor": time.process_time() - used,
                }


def _programs(instance: Instance, sizes: Sizes) -> dict[str, Callable[[], Any]]:
    model, chains = instance.model, sizes.speed_chains
    key = jax.random.key(0)
    x0 = model.sample(key, chains)
    steps = sizes.speed_sweeps * model.n
    cooling = annealing.geometric(FIRST, LAST, steps)
    neighbors, weights = table(instance)

    def ours(f: str | None) -> Any:
        return jax.block_until_ready(
            annealing.metropolis(
                model, model.flips(), x0, key, steps=steps, temperature=cooling, f=f,
                records=0,
            )
        )  # fmt: skip

    def numpy(slope: float) -> Any:
        rng = np.random.default_rng(0)
        return numpy_loop(
            neighbors,
            weights,
            np.asarray(x0.T, np.float32).copy(),
            lambda step: rng.random(chains, np.float32),
            lambda step: FIRST * (LAST / FIRST) ** (step / steps),
            steps,
            slope,
        )

    programs: dict[str, Callable[[], Any]] = {
        "metropolis": lambda: ours(None),
        "metropolis, LM": lambda: ours("linear"),
        "NumPy": lambda: numpy(0.0),
        "NumPy, LM": lambda: numpy(1.0),
    }
    if dwave.installed():
        programs["dwave-samplers"] = lambda: dwave.anneal(
            instance, FIRST, LAST, sizes.speed_sweeps, chains, 0
        )
    return programs
