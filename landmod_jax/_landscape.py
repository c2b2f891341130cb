"""The modified landscape H itself."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax import _quadrature as quadrature
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
    adaptive quadrature to about seven digits, or to float32's six, for any f that 128
    panels resolve: one with steps, kinks or some hundred oscillations, too. The
    derivative with respect to u is 1 / (f((u - c)₊) + eps) up to rounding, so that
    autodiff of H(U(x)) gives (2.12).
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
        _fitting(name, value, u)
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


def _fitting(name: str, value: jax.typing.ArrayLike, u: jax.Array) -> jax.Array:
    array = _checks.real_array(name, value).astype(u.dtype)
    try:
        jnp.broadcast_to(array, u.shape)
    except ValueError as error:
        raise ValueError(
            f"{name} must be a scalar or broadcast to the shape of u, {u.shape}; "
            f"got shape {array.shape}"
        ) from error
    return array


def integral_from_c(
    shape: shapes.Shape, height: jax.Array, eps: jax.Array
) -> jax.Array:
    """∫ from 0 to `height` of dv / (f(v₊) + eps), negative for negative heights."""
    eps = jnp.broadcast_to(eps, height.shape)
    f = quadrature.traceable(shape, height)
    if shape.integral is None:
        h = _by_quadrature(*jax.lax.stop_gradient((height, f, eps)))
    else:
        below = jnp.minimum(height, 0) / (shape(jnp.zeros_like(height)) + eps)
        h = shape.integral(jnp.maximum(height, 0), eps) + below
    return _differentiable(jax.lax.stop_gradient(h), f, height, eps)


def integral_between(
    shape: shapes.Shape, low: jax.Array, high: jax.Array, eps: jax.Array
) -> jax.Array:
    """∫ from `low` to `high`, both ≥ 0, of dv / (f(v) + eps), without derivatives."""
    if shape.integral is None:
        f = quadrature.traceable(shape, low)
        start, width, eps = jnp.broadcast_arrays(
            jnp.minimum(low, high), jnp.abs(high - low), eps
        )
        return jnp.sign(high - low) * width * quadrature.mean(f, start, width, eps)
    if isinstance(shape, shapes._Known) and shape.between is not None:
        return shape.between(low, high, eps)
    return integral_from_c(shape, high, eps) - integral_from_c(shape, low, eps)


@jax.custom_jvp
def _differentiable(
    h: jax.Array, f: quadrature.Traceable, height: jax.Array, eps: jax.Array
) -> jax.Array:
    """h, with the derivatives of ∫ from 0 to `height` of dv / (f(v₊) + eps).

    The closed forms' own derivatives lose digits, and some are NaN at 0.
    """
    del f, height, eps
    return h


def _differentiable_jvp(primals: Any, tangents: Any) -> Any:
    h, f, height, eps = primals
    _, f_dot, height_dot, eps_dot = tangents
    tangent = jnp.zeros_like(h)
    if not _is_zero(height_dot):
        tangent += height_dot / (at_height(f, height) + eps)
    if not all(map(_is_zero, jax.tree.leaves((f_dot, eps_dot)))):
        dots = jax.tree.map(
            lambda dot, value: jnp.zeros_like(value) if _is_zero(dot) else dot,
            (f_dot, eps_dot),
            (f, eps),
        )
        integral = functools.partial(_by_quadrature, height)
        tangent += jax.jvp(integral, (f, eps), dots)[1]
    return h, tangent


_differentiable.defjvp(_differentiable_jvp, symbolic_zeros=True)


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _by_quadrature(
    height: jax.Array, f: quadrature.Traceable, eps: jax.Array
) -> jax.Array:
    at_c = f(jnp.zeros_like(height)) + eps
    # Away from 0 where there is nothing to integrate: f′(0) may be infinite.
    width = jnp.where(height > 0, height, 1)
    mean = quadrature.mean(f, jnp.zeros_like(height), width, eps)
    # Maximum and minimum would halve the derivatives at 0.
    above, below = jnp.where(height > 0, height, 0), jnp.where(height > 0, 0, height)
    return above * mean + below / at_c
