"""The modified landscape H itself: its values, and the height of its hills."""

import functools
import heapq
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import shapes


def landscape(
    u: Any,
    c: Any,
    eps: Any = 1.0,
    f: str | shapes.ScalarFn = "linear",
    u_min: Any = None,
    *,
    logarithm: bool = False,
) -> jax.Array:
    r"""H of a loss U, elementwise (2.1).

    .. math::
      H = \int_{U_{min}}^{U} \frac{dv}{f((v - c)_+) + \varepsilon}

    with closed forms for the named shapes, among them (2.10) and (2.11), and quadrature
    to about seven digits for any other f. The derivative in u is
    1 / (f((u - c)₊) + eps) to rounding, so that autodiff of H(U(x)) is (2.12).

    Args:
      u: losses U, any shape.
      c: threshold, in units of the loss.
      eps: ε > 0.
      f: a shape, as in `landscape_modify`.
      u_min: where H is zero; by default the smallest of `u`.
      logarithm: add ln(f((U - c)₊) + eps), the full H of (2.9), which annealing needs.

    Returns:
      H, of u's shape.

    Raises:
      ValueError: f is not a shape, or eps is not greater than 0.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> print(lm.landscape(jnp.array([0.0, 1.0, 3.0]), c=1.0, u_min=0.0).round(4))
      [0.     1.     2.0986]
    """
    shape = shapes.resolve(f)
    if isinstance(eps, (int, float)) and not eps > 0:
        raise ValueError(f"eps must be greater than 0, got {eps}")
    u = jnp.asarray(u)
    u = u.astype(jnp.promote_types(u.dtype, jnp.float32))
    if u_min is None:
        u_min = jax.lax.stop_gradient(u.min())
    c, eps, u_min = (jnp.asarray(v, u.dtype) for v in (c, eps, u_min))
    h = _integral(shape, u - c, eps) - _integral(shape, u_min - c, eps)
    if logarithm:
        h += jnp.log(shape(jnp.maximum(u - c, 0)) + eps)
    return h


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _integral(shape: shapes.Shape, height: jax.Array, eps: jax.Array) -> jax.Array:
    """∫ from 0 to `height` of dv / (f(v₊) + eps); negative heights give it negative."""
    above = jnp.maximum(height, 0)
    below = jnp.minimum(height, 0) / (shape(jnp.zeros_like(above)) + eps)
    if shape.integral is not None:
        return shape.integral(above, eps) + below
    places, weights = _tanh_sinh()
    v = above[..., None] * jnp.asarray(places, above.dtype)
    return above * (jnp.asarray(weights, v.dtype) / (shape(v) + eps)).sum(-1) + below


@_integral.defjvp
def _integral_jvp(shape: shapes.Shape, primals: Any, tangents: Any) -> Any:
    height, eps = primals
    height_tangent, eps_tangent = tangents
    slope = 1 / (shape(jnp.maximum(height, 0)) + eps)
    # eps is a setting: H is not differentiated in it.
    del eps_tangent
    return _integral(shape, height, eps), slope * height_tangent


@functools.cache
def _tanh_sinh() -> tuple[np.ndarray, np.ndarray]:
    """Nodes in (0, 1) and weights; dense at 0, where 1 / (f + eps) may be steep."""
    step = 1 / 16
    t = np.arange(-4, 4 + step, step)
    places = 1 / (1 + np.exp(-math.pi * np.sinh(t)))
    weights = step * math.pi * np.cosh(t) * places * (1 - places)
    return places, weights / weights.sum()


def critical_height(u: Any, c: float = math.inf) -> float:
    """The clipped critical height of a landscape sampled on a grid.

    The highest climb that a path to the global minimum has to make from anywhere, with
    everything above c cut off: sup over x of (G(x) ∧ c) − (U(x) ∧ c), where G(x) is
    the lowest possible maximum of U on a path from x to a global minimum. The time that
    annealing needs grows exponentially in it (section 2.1.2; Choi 2020). With c = +inf
    it is the critical height E* itself.

    Args:
      u: U on a regular grid of any dimension; a path goes from a point to its
        neighbours along the axes.
      c: threshold, in units of U.

    Returns:
      The height, in units of U; 0 where there is no hill on the way.

    Raises:
      ValueError: u is empty or not finite.

    Example:
      >>> import landmod_jax as lm
      >>> lm.critical_height([0.0, 5.0, 1.0, 2.0])
      4.0
      >>> lm.critical_height([0.0, 5.0, 1.0, 2.0], c=3.0)
      2.0
    """
    u = np.asarray(u, np.float64)
    if u.ndim == 0 or u.size == 0 or not np.isfinite(u).all():
        raise ValueError(f"u must be a grid of finite values, got shape {u.shape}")
    highest = np.full(u.shape, math.inf)
    start = np.unravel_index(u.argmin(), u.shape)
    highest[start] = u[start]
    queue = [(u[start], tuple(map(int, start)))]
    while queue:  # Dijkstra's algorithm with the maximum in place of the sum
        height, point = heapq.heappop(queue)
        if height > highest[point]:
            continue
        for axis, step in itertools.product(range(u.ndim), (-1, 1)):
            neighbour = (*point[:axis], point[axis] + step, *point[axis + 1 :])
            if not 0 <= neighbour[axis] < u.shape[axis]:
                continue
            through = max(height, u[neighbour])
            if through < highest[neighbour]:
                highest[neighbour] = through
                heapq.heappush(queue, (through, neighbour))
    return float((np.minimum(highest, c) - np.minimum(u, c)).max())
