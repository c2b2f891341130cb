"""How high the hills of a landscape are on the way to its global minimum."""

import heapq
import itertools
import math

import numpy as np
import numpy.typing as npt

from landmod_jax import _checks


def critical_height(u: npt.ArrayLike, c: float = math.inf) -> float:
    """Compute the clipped critical height of a landscape sampled on a grid.

    This is the highest climb on the way to the global minimum from the worst starting
    point, with everything above c cut off: sup over x of (G(x) ∧ c) − (U(x) ∧ c), where
    G(x) is the lowest possible maximum of U on a path from x to the global minimum. If
    there are several, it is a path to the first, so the barrier between them counts.
    The time that annealing needs grows exponentially with it (section 2.1.2; Choi
    2020). With c = +inf it is the critical height E* itself.

    Args:
      u: U on a regular grid of any dimension. Paths move from a point to its neighbors
        along the axes.
      c: threshold, in units of U.

    Returns:
      The height, in units of U; 0 if there is no hill on the way.

    Raises:
      ValueError: u is empty, traced or not finite, or c is not a number.

    Example:
      >>> import landmod_jax as lm
      >>> lm.critical_height([0.0, 5.0, 1.0, 2.0])
      4.0
      >>> lm.critical_height([0.0, 5.0, 1.0, 2.0], c=3.0)
      2.0
    """
    if _checks.traced(u) or _checks.traced(c):
        raise ValueError(
            "critical_height works on NumPy values: call it outside of jit, grad and "
            "vmap"
        )
    u = _checks.float64("u", u)
    if u.ndim == 0 or u.size == 0 or not np.isfinite(u).all():
        raise ValueError(f"u must be a grid of finite values, got shape {u.shape}")
    c = _checks.number("c", c, infinite=True)
    if c <= u.min():
        return 0.0
    highest = np.full(u.shape, math.inf)
    start = np.unravel_index(u.argmin(), u.shape)
    highest[start] = u[start]
    queue = [(u[start], tuple(map(int, start)))]
    while queue:  # Dijkstra's algorithm with the maximum in place of the sum
        height, point = heapq.heappop(queue)
        if height > highest[point]:
            continue
        for axis, step in itertools.product(range(u.ndim), (-1, 1)):
            neighbor = (*point[:axis], point[axis] + step, *point[axis + 1 :])
            if not 0 <= neighbor[axis] < u.shape[axis]:
                continue
            through = max(height, u[neighbor])
            if through < highest[neighbor]:
                highest[neighbor] = through
                heapq.heappush(queue, (through, neighbor))
    return float((np.minimum(highest, c) - np.minimum(u, c)).max())
