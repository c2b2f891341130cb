"""`metropolis` on a spin model, as a loop in NumPy over all chains at once."""

from collections.abc import Callable

import numpy as np

from experiments.spins.problems import Instance


def numpy_loop(
    neighbors: np.ndarray,
    weights: np.ndarray,
    x: np.ndarray,
    uniform: Callable[[int], np.ndarray],
    temperature: Callable[[int], float],
    steps: int,
    lm_slope: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The default flips, by the heat bath; keeps the best states.

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
