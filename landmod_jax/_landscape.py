"""The modified landscape H itself."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax import _shapes as shapes
from landmod_jax._numerics import at_height, held_eps


def landscape(
    u: jax.typing.ArrayLike,
    c: jax.typing.ArrayLike,
    eps: jax.typing.ArrayLike = 1.0,
    f: str | shapes.ScalarFn = "linear",
    u_min: jax.typing.ArrayLike | None = None,
    *,
    logarithm: bool = False,
) -> jax.Array:
    r"""Compute H of a loss U, elementwise (2.1).

    .. math::
      H = \int_{U_{min}}^{U} \frac{dv}{f((v - c)_+) + \varepsilon}.

    The named shapes have closed forms, among them (2.10) and (2.11); any other f uses
    quadrature, accurate to about seven digits. The derivative with respect to u is
    1 / (f((u - c)₊) + eps) up to rounding, so that autodiff of H(U(x)) gives (2.12).
    With `logarithm`, it is (1 + f') / (f + eps) above c.

    You can differentiate any number of times with respect to u, c, eps and u_min. At
    the kink U = c, derivatives are one-sided, from below.

    Args:
      u: losses U, any shape.
      c: threshold, in units of the loss; a scalar or an array that broadcasts to u.
        With c = +inf, H is (U - u_min) / (f(0) + eps).
      eps: ε > 0, broadcasts in the same way. As in `landscape_modify`, very small
        values are raised to √(smallest normal number).
      f: a shape, as in `landscape_modify`.
      u_min: the loss at which H is zero; by default the smallest of `u`, treated as a
        constant in derivatives.
      logarithm: add ln(f((U - c)₊) + eps), for the full H of (2.9), which annealing
        needs.

    Returns:
      H, with the shape of u.

    Raises:
      ValueError: f is not a shape, eps is not finite and greater than 0, or an array is
        not real or does not broadcast to u's shape.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> print(lm.landscape(jnp.array([0.0, 1.0, 3.0]), c=1.0, u_min=0.0).round(4))
      [0.     1.     2.0986]
    """
    shape = shapes.resolve(f)
    logarithm = _checks.flag("logarithm", logarithm)
    u = _checks.real_array("u", u)
    if not _checks.traced(eps):
        numbers = _checks.float64("eps", eps)
        if not ((numbers > 0) & np.isfinite(numbers)).all():
            raise ValueError(f"eps must be finite and greater than 0, got {eps}")
    if u_min is None:
        if not u.size:
            raise ValueError(f"u must not be empty, got shape {u.shape}")
        u_min = jax.lax.stop_gradient(u.min())
    c, eps, u_min = (
        _broadcast(name, value, u)
        for name, value in (("c", c), ("eps", eps), ("u_min", u_min))
    )
    eps = held_eps(eps, u.dtype)
    # A c above everything is the same as one at the top, and would absorb u's digits.
    top = jax.lax.stop_gradient(jnp.maximum(u, u_min))
    c = jnp.where(c > top, top, c)
    h = integral_from_c(shape, u - c, eps) - integral_from_c(shape, u_min - c, eps)
    if logarithm:
        h += jnp.log(at_height(shape, u - c) + eps)
    return h


def _broadcast(name: str, value: jax.typing.ArrayLike, u: jax.Array) -> jax.Array:
    array = _checks.real_array(name, value)
    try:
        fits = jnp.broadcast_shapes(u.shape, array.shape) == u.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} must be a scalar or broadcast to the shape of u, {u.shape}; "
            f"got shape {array.shape}"
        )
    return array.astype(u.dtype)


class _Traceable(NamedTuple):
    """f at the heights and at the nodes of the quadrature.

    The values that f closes over, such as p of power(p), are passed as `parameters`, so
    that they can be differentiated.
    """

    at_heights: Callable
    at_nodes: Callable


def integral_from_c(
    shape: shapes.Shape, height: jax.Array, eps: jax.Array
) -> jax.Array:
    """∫ from 0 to `height` of dv / (f(v₊) + eps), negative for negative heights."""
    at_heights, of_heights = jax.closure_convert(shape, height)
    at_nodes, of_nodes = jax.closure_convert(shape, _nodes(height))
    f, parameters = _Traceable(at_heights, at_nodes), (of_heights, of_nodes)
    if shape.integral is None:
        h = _by_quadrature(1, f, height, eps, parameters)
    else:
        below = jnp.minimum(height, 0) / (shape(jnp.zeros_like(height)) + eps)
        h = shape.integral(jnp.maximum(height, 0), eps) + below
    return _differentiable(1, f, jax.lax.stop_gradient(h), height, eps, parameters)


def integral_between(
    shape: shapes.Shape, low: jax.Array, high: jax.Array, eps: jax.Array
) -> jax.Array:
    """∫ from `low` to `high`, at least 0 both, of dv / (f(v) + eps)."""
    if isinstance(shape, shapes._Known) and shape.between is not None:
        return shape.between(low, high, eps)
    return integral_from_c(shape, high, eps) - integral_from_c(shape, low, eps)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _differentiable(
    k: int,
    f: _Traceable,
    h: jax.Array,
    height: jax.Array,
    eps: jax.Array,
    parameters: Any,
) -> jax.Array:
    """h, with the derivatives of ∫ from 0 to `height` of dv / (f(v₊) + eps)ᵏ.

    The closed forms' own derivatives lose digits, and some are NaN at 0.
    """
    del k, f, height, eps, parameters
    return h


def _differentiable_jvp(k: int, f: _Traceable, primals: Any, tangents: Any) -> Any:
    h, height, eps, parameters = primals
    _, height_dot, eps_dot, parameters_dot = tangents
    tangent = jnp.zeros_like(h)
    if not _is_zero(height_dot):
        value = at_height(lambda u: f.at_heights(u, *parameters[0]), height)
        tangent += height_dot / (value + eps) ** k
    if not _is_zero(eps_dot):
        following = _by_quadrature(k + 1, f, height, eps, parameters)
        in_eps = _differentiable(
            k + 1, f, jax.lax.stop_gradient(following), height, eps, parameters
        )
        tangent -= eps_dot * k * in_eps
    if not all(map(_is_zero, jax.tree.leaves(parameters_dot))):
        parameters_dot = jax.tree.map(
            lambda dot, value: jnp.zeros_like(value) if _is_zero(dot) else dot,
            parameters_dot,
            parameters,
        )
        tangent += jax.jvp(
            lambda parameters: _by_quadrature(k, f, height, eps, parameters),
            (parameters,),
            (parameters_dot,),
        )[1]
    return h, tangent


_differentiable.defjvp(_differentiable_jvp, symbolic_zeros=True)


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _by_quadrature(
    k: int, f: _Traceable, height: jax.Array, eps: jax.Array, parameters: Any
) -> jax.Array:
    of_heights, of_nodes = parameters
    values = f.at_nodes(_nodes(height), *of_nodes) + eps[..., None]
    _, weights = _tanh_sinh()
    mean = (jnp.asarray(weights, height.dtype) / values**k).sum(-1)
    at_c = f.at_heights(jnp.zeros_like(height), *of_heights) + eps
    # Maximum and minimum would halve the derivatives at 0.
    above, below = jnp.where(height > 0, height, 0), jnp.where(height > 0, 0, height)
    return above * mean + below / at_c**k


def _nodes(height: jax.Array) -> jax.Array:
    places, _ = _tanh_sinh()
    # Away from 0 where there is nothing to integrate: f′(0) may be infinite.
    above = jnp.where(height > 0, height, 1)
    return above[..., None] * jnp.asarray(places, height.dtype)


@functools.cache
def _tanh_sinh() -> tuple[np.ndarray, np.ndarray]:
    """Nodes in (0, 1) and weights; dense at 0, where 1 / (f + eps) may be steep."""
    step = 1 / 16
    t = np.arange(-4, 4 + step, step)
    places = 1 / (1 + np.exp(-math.pi * np.sinh(t)))
    weights = step * math.pi * np.cosh(t) * places * (1 - places)
    return places, weights / weights.sum()
