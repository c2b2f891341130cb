"""Shapes f: how strongly to flatten the landscape at height u = (U − c)₊ above c."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax._bound import Bound

ScalarFn = Callable[[jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Shape:
    """A shape f and, if there is a closed form, its integral for H.

    Shapes of equal functions are equal. Those of this module are equal for equal
    arguments, and can be pickled.

    Attributes:
      name: for messages and labels.
      f: maps u ≥ 0 to f(u) ≥ 0, elementwise; negative results count as 0. u is never
        infinite in `landscape_modify`.
      integral: maps (u, eps) to ∫₀ᵘ dv / (f(v) + eps), elementwise. With None,
        `landmod_jax.landscape` uses quadrature.

    Raises:
      ValueError: name is not a string, or f or integral is not such a function.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> wavy = lm.Shape("wavy", lambda u: u + jnp.sin(u))
      >>> tx = lm.landscape_modify(wavy)
    """

    name: str
    f: ScalarFn
    integral: Callable[[jax.Array, jax.Array], jax.Array] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"name must be a string, got {_checks.shown(self.name)}")
        _checks.function("f", self.f, 1)
        if self.integral is not None:
            _checks.function("integral", self.integral, 2)

    def __call__(self, u: jax.typing.ArrayLike) -> jax.Array:
        u = jnp.asarray(_floating(u))
        out = jnp.asarray(self.f(u)).astype(u.dtype)
        return jnp.broadcast_to(jnp.where(out < 0, 0, out), u.shape)


@dataclasses.dataclass(frozen=True)
class _Known(Shape):
    """A shape of this module, whose f needs no check of what it returns.

    Attributes:
      between: maps (low, high, eps) to ∫ from low to high of dv / (f(v) + eps), for
        heights of at least 0; None where it costs as much as two integrals from 0.
    """

    between: Callable[[jax.Array, jax.Array, jax.Array], jax.Array] | None = None

    def __call__(self, u: jax.typing.ArrayLike) -> jax.Array:
        return self.f(_floating(u))


def _floating(u: Any) -> jax.Array:
    dtype = getattr(u, "dtype", None)
    known = dtype is not None and jnp.issubdtype(dtype, jnp.floating)
    return u if known else _checks.real_array("u", u)


def power(p: float | jax.Array) -> Shape:
    """f(u) = uᵖ.

    p = 1 is the thesis's choice; its H grows like a logarithm (2.11). p = 2 flattens so
    strongly that H rises by less than π / (2√eps) above c. p < 1 flattens less far
    above c and more just above it.

    Args:
      p: exponent, greater than 0.

    Raises:
      ValueError: p is not a number greater than 0.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> print(lm.power(3.0)(jnp.float32(2.0)))
      8.0
    """
    p = _checks.number("p", p, above=0)
    if _checks.fixed(p) and p in _POWERS:
        return _POWERS[p]
    return _Known(f"power({_label(p)})", Bound(_power, (p,)))


def _power(u: jax.Array, p: float | jax.Array) -> jax.Array:
    # A strongly typed p would widen a bfloat16 u.
    return jnp.power(u, p if _checks.fixed(p) else jnp.asarray(p, u.dtype))


def bounded(bound: float | jax.Array = 1.0, width: float | jax.Array = 1.0) -> Shape:
    """f(u) = bound · u³ / (width³ + u³), as the theory of annealing requires.

    f is bounded and twice differentiable, with f(0) = f′(0) = f″(0) = 0. These are the
    conditions stated with (2.1), which u, u² and √u do not satisfy. However high the
    loss is, the gradient is divided by at most bound + eps.

    Args:
      bound: the limit of f far above c, greater than 0.
      width: the height at which f is bound / 2, in units of the loss, greater than 0.

    Raises:
      ValueError: an argument is not a number greater than 0.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> f = lm.bounded(bound=2.0, width=0.5)
      >>> print(f(jnp.array([0.0, 0.5, 1e9])))
      [0. 1. 2.]
    """
    bound = _checks.number("bound", bound, above=0)
    width = _checks.number("width", width, above=float(jnp.finfo(jnp.float32).tiny))
    functions = (_bounded, _bounded_integral, _bounded_between)
    return _Known(
        f"bounded({_label(bound)}, {_label(width)})",
        *(Bound(function, (bound, width)) for function in functions),
    )


Parameter: TypeAlias = float | jax.Array


def _bounded(u: jax.Array, bound: Parameter, width: Parameter) -> jax.Array:
    # In powers of width / u where u is large: u³ would overflow.
    # With where, because the derivative of minimum is halved at u = width.
    near = u <= width
    small = jnp.where(near, u, width) / width
    large = width / jnp.where(near, width, u)
    return bound * jnp.where(near, small**3 / (1 + small**3), 1 / (1 + large**3))


def _bounded_integral(
    u: jax.Array, eps: jax.Array, bound: Parameter, width: Parameter
) -> jax.Array:
    a, k, rest = _bounded_terms(eps, bound, width)
    return u / a + rest * _of_cubic(u / width / k) / (k * k)


def _bounded_between(
    low: jax.Array, high: jax.Array, eps: jax.Array, bound: Parameter, width: Parameter
) -> jax.Array:
    a, k, rest = _bounded_terms(eps, bound, width)
    cubic = _beyond(low / width, k) - _beyond(high / width, k)
    return (high - low) / a + rest * cubic


# 1 / (f + eps) is (1 + t³) / (a·(t³ + k³)) in t = u / w, with a = bound + eps and
# k³ = eps / a. What remains after 1/a is a reciprocal cubic.
def _bounded_terms(
    eps: jax.Array, bound: Parameter, width: Parameter
) -> tuple[jax.Array, jax.Array, jax.Array]:
    a = bound + eps
    return a, jnp.cbrt(eps / a), width * (bound / a) / a


def _of_cubic(x: jax.Array) -> jax.Array:
    """∫ from 0 to x of dv / (v³ + 1)."""
    q = jnp.minimum(x, 1 / x)
    root3 = math.sqrt(3.0)
    logarithm = jnp.log1p(3 * q / (1 - q + q * q)) / 6
    return logarithm + jnp.arctan2(root3 * x, 2 - x) / root3


def _beyond(t: jax.Array, k: jax.Array) -> jax.Array:
    """∫ from t to infinity of dv / (v³ + k³); by its series where t is large."""
    far = t > 2 * k
    x = jnp.where(far, t, 2 * k)
    ratio = -((k / x) ** 3)
    series = jnp.zeros_like(x)
    for j in reversed(range(_terms(x.dtype, 1 / 8))):
        series = series * ratio + 1 / (3 * j + 2)
    whole = 2 * math.pi / (3 * math.sqrt(3.0))
    near = (whole - _of_cubic(jnp.where(far, k, t) / k)) / (k * k)
    return jnp.where(far, series / (x * x), near)


def _label(parameter: float | jax.Array) -> str:
    return "traced" if _checks.traced(parameter) else f"{float(parameter):g}"


def _sqrt_integral(u: jax.Array, eps: jax.Array) -> jax.Array:
    t = jnp.sqrt(u)
    near, s, part, rest = _near(t, eps)
    by_log = 2 * (t - eps * jnp.log1p(t / eps))
    return jnp.where(near, 4 * part * s * (1 / (1 - s) - s * rest), by_log)


def _cbrt_integral(u: jax.Array, eps: jax.Array) -> jax.Array:
    t = jnp.cbrt(u)
    near, s, part, rest = _near(t, eps)
    by_log = 3 * (t * t / 2 - eps * t + eps * eps * jnp.log1p(t / eps))
    return jnp.where(near, 6 * part * part * s * (1 / (1 - s) ** 2 + rest), by_log)


def _near(t: jax.Array, eps: jax.Array) -> tuple[jax.Array, ...]:
    """Whether t < ε, where ln(1 + t/ε) cancels, and three terms that do not cancel.

    The terms are s = t / (t + 2ε), t / (t/ε + 2), and (artanh(s) − s) / s³, which is
    1/3 + s²/5 + s⁴/7 + …, because ln(1 + t/ε) = 2 artanh(s).
    """
    near = t < eps
    q = jnp.where(near, t, eps) / eps
    s = q / (q + 2)
    rest = jnp.zeros_like(s)
    for k in reversed(range(_terms(s.dtype, 1 / 9))):
        rest = rest * s * s + 1 / (2 * k + 3)
    return near, s, jnp.where(near, t, eps) / (q + 2), rest


def _terms(dtype: jnp.dtype, ratio: float) -> int:
    """How many terms of a series with this ratio the dtype can resolve."""
    return math.ceil(math.log(float(jnp.finfo(dtype).eps)) / math.log(ratio))


def _quadratic_between(low: jax.Array, high: jax.Array, eps: jax.Array) -> jax.Array:
    # The difference of two arctangents, which cancels far above c.
    root = jnp.sqrt(eps)
    return jnp.arctan2((high - low) * root, eps + low * high) / root


# jax.numpy's functions cannot be pickled.
def _linear(u: jax.Array) -> jax.Array:
    return u


def _quadratic(u: jax.Array) -> jax.Array:
    return jnp.square(u)


def _sqrt(u: jax.Array) -> jax.Array:
    return jnp.sqrt(u)


def _cbrt(u: jax.Array) -> jax.Array:
    return jnp.cbrt(u)


def _linear_integral(u: jax.Array, eps: jax.Array) -> jax.Array:
    return jnp.log1p(u / eps)


def _linear_between(low: jax.Array, high: jax.Array, eps: jax.Array) -> jax.Array:
    return jnp.log((high + eps) / (low + eps))


def _quadratic_integral(u: jax.Array, eps: jax.Array) -> jax.Array:
    root = jnp.sqrt(eps)
    return jnp.arctan(u / root) / root


_POWERS: dict[Any, Shape] = {
    1: _Known("linear", _linear, _linear_integral, _linear_between),
    2: _Known("quadratic", _quadratic, _quadratic_integral, _quadratic_between),
    1 / 2: _Known("sqrt", _sqrt, _sqrt_integral),
    1 / 3: _Known("cbrt", _cbrt, _cbrt_integral),
}
SHAPES = {shape.name: shape for shape in _POWERS.values()} | {"bounded": bounded()}


def resolve(f: str | ScalarFn) -> Shape:
    """The shape that `f` names, or `f` itself as a shape.

    Raises:
      ValueError: f is neither a known name nor a function from a scalar u ≥ 0 to
        f(u) ≥ 0.
    """
    if isinstance(f, _Known):
        return f
    if isinstance(f, str) and f in SHAPES:
        return SHAPES[f]
    if not callable(f):
        hint = ""
        if isinstance(f, jax.Array):
            hint = (
                "; optax.inject_hyperparams treats functions as schedules: list the "
                "arguments that are not schedules in its static_args"
            )
        raise ValueError(
            "f must be a function of the height u or one of "
            f"{_checks.choices(f, SHAPES)}; got {_checks.shown(f)}{hint}"
        )
    if isinstance(f, Shape):
        shape = f
    else:
        shape = Shape(getattr(f, "__name__", repr(f)), Bound(_vectorized, (f,)))
    _try(shape)
    return shape


def _vectorized(u: jax.Array, f: ScalarFn) -> jax.Array:
    return jnp.vectorize(lambda u: jnp.asarray(f(u)))(u)


_HEIGHTS = (0.0, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0)


def _try(shape: Shape) -> None:
    """Raise ValueError unless f and its integral return what they should."""
    with jax.ensure_compile_time_eval():
        u = jnp.asarray(_HEIGHTS, jnp.float32)
        values = _result("f", shape.f, u)
        if shape.integral is not None:
            _result("integral", shape.integral, u, u + 1)
        # Nothing is known about a traced parameter here.
        if not _checks.traced(values):
            for height, value in zip(_HEIGHTS, np.broadcast_to(values, u.shape)):
                if not value >= 0:
                    raise ValueError(
                        f"f must be at least 0; {shape.name}({height}) is {value}"
                    )


def _result(name: str, f: Callable, *arguments: jax.Array) -> jax.Array:
    try:
        out = jnp.asarray(f(*arguments))
    except Exception as error:
        raise ValueError(
            f"{name} must be a function that JAX can trace; it failed: "
            f"{_checks.brief(error)}"
        ) from error
    if out.shape not in ((), arguments[0].shape) or not _checks.is_real(out.dtype):
        raise ValueError(
            f"{name} must return a real scalar for each height; for shape "
            f"{arguments[0].shape} it returned {out.dtype}{list(out.shape)}"
        )
    return out
