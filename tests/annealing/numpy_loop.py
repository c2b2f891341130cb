"""`anneal`'s four methods as a loop in NumPy over all chains at once."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.annealing import objectives
from experiments.annealing.objectives import Objective
from landmod_jax.annealing import METHODS, MethodName

STEP_SIZE = {False: 1e-4, True: 1e-2}  # overdamped, kinetic
INITIAL, FINAL = 5.0, 0.05
Gradient = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def rastrigin(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U (chains,) and ∇U (chains, d) at x (chains, d)."""
    angle = 2 * math.pi * x
    value = 10 * x.shape[1] + (x * x - 10 * np.cos(angle)).sum(1)
    return value, 2 * x + 20 * math.pi * np.sin(angle)


def styblinski_tang(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U (chains,) and ∇U (chains, d) at x (chains, d)."""
    square = x * x
    value = (square * square - 16 * square + 5 * x).sum(1) / 2
    return value, (4 * square - 32) * x / 2 + 2.5


PROBLEMS: tuple[tuple[Objective, Gradient], ...] = (
    (objectives.rastrigin(2), rastrigin),
    (objectives.styblinski_tang(10), styblinski_tang),
)


def loop(
    evaluate: Gradient,
    x: np.ndarray,
    rng: np.random.Generator,
    *,
    method: MethodName,
    steps: int,
    box: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The last and the best points, (chains, d), and the best values, (chains,).

    Like `anneal` with f = "bounded", c the running minimum, ε = T, geometric cooling
    and reflection; in x's dtype.
    """
    kinetic, modified = METHODS[method].kinetic, METHODS[method].modified
    dt, (low, high) = STEP_SIZE[kinetic], box
    y = np.zeros_like(x)
    value, grad = evaluate(x)
    alive = np.isfinite(value) & np.isfinite(grad).all(1)
    c, best_value, best = value.copy(), value.copy(), x.copy()

    def reflect(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        below, above = x < low, x > high
        x = np.where(below, 2 * low - x, np.where(above, 2 * high - x, x))
        y = np.where(below | above, -y, y) if kinetic else y
        return np.clip(x, low, high), y

    def height() -> tuple[Any, Any]:
        if not modified:
            return 0.0, 0.0
        u = np.maximum(value - c, 0)
        cube = u * u * u
        return cube / (1 + cube), 3 * u * u / np.square(1 + cube)

    def force() -> np.ndarray:
        f, slope = height()
        if not modified:
            return -grad
        return -(T * (1 + slope) / (f + T))[:, None] * grad

    for step in range(steps):
        T = INITIAL * (FINAL / INITIAL) ** (step / steps)
        noise = rng.standard_normal(x.shape, x.dtype)
        if kinetic:
            decay = math.exp(-dt / T)
            new_y = y + force() * (dt / 2)
            new_x, new_y = reflect(x + new_y * (dt / 2), new_y)
            new_y = decay * new_y + math.sqrt(T * (1 - decay * decay)) * noise
            new_x, new_y = reflect(new_x + new_y * (dt / 2), new_y)
        else:
            spread = np.sqrt(2 * dt * (height()[0] + T))
            spread = spread[:, None] if modified else spread
            new_x, new_y = reflect(x - grad * dt + spread * noise, y)
        new_value, new_grad = evaluate(new_x)
        alive &= np.isfinite(new_value) & np.isfinite(new_grad).all(1)
        value = np.where(alive, new_value, value)
        x = np.where(alive[:, None], new_x, x)
        grad = np.where(alive[:, None], new_grad, grad)
        if modified:
            c = np.minimum(c, value)
        if kinetic:
            y = np.where(alive[:, None], new_y + force() * (dt / 2), y)
        better = value < best_value
        best_value = np.where(better, value, best_value)
        best = np.where(better[:, None], x, best)
    return x, best, best_value
