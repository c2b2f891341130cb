"""Shapes f: how much the landscape is flattened at height u = (U − c)₊ above c."""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from landmod_jax._checks import choices

ScalarFn = Callable[[jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Shape:
    """A shape f and, where it has a closed form, the integral that makes up H.

    Attributes:
      name: for messages and labels.
      f: u ≥ 0 to f(u) ≥ 0, elementwise.
      integral: (u, eps) to ∫₀ᵘ dv / (f(v) + eps), elementwise; None where quadrature
        has to do (`landmod_jax.landscape`).

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> wavy = lm.Shape("wavy", lambda u: u + jnp.sin(u))
      >>> tx = lm.landscape_modify(wavy)
    """

    name: str
    f: ScalarFn
    integral: Callable[[jax.Array, jax.Array], jax.Array] | None = None

    def __call__(self, u: jax.Array) -> jax.Array:
        return self.f(u)


def power(p: float) -> Shape:
    """f(u) = uᵖ.

    p = 1 is the thesis's choice, whose H grows like a logarithm (2.11); p = 2 flattens
    so much that H stays below π / (2√eps) above c; p < 1 flattens less far up and more
    just above c.

    Args:
      p: exponent, greater than 0.

    Raises:
      ValueError: p is not a number greater than 0.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> print(lm.power(3.0)(jnp.float32(2.0)))
      8.0
    """
    if not (math.isfinite(p) and p > 0):
        raise ValueError(f"p must be finite and greater than 0, got {p}")
    if p in _POWERS:
        return _POWERS[p]
    return Shape(f"power({p:g})", lambda u: jnp.power(u, p))


def bounded(bound: float = 1.0, width: float = 1.0) -> Shape:
    """f(u) = bound · u³ / (width³ + u³): what the theory of annealing asks for.

    Bounded by `bound`, twice differentiable, with f(0) = f′(0) = f″(0) = 0, the
    conditions under (2.1), which u, u² and √u do not meet. The gradient is divided by
    at most bound + eps, however high the loss is.

    Args:
      bound: the limit of f far above c, greater than 0.
      width: the height at which f is half of it, in units of the loss, greater than 0.

    Raises:
      ValueError: an argument is not a number greater than 0.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> f = lm.bounded(bound=2.0, width=0.5)
      >>> print(f(jnp.array([0.0, 0.5, 1e9])))
      [0. 1. 2.]
    """
    for name, value in (("bound", bound), ("width", width)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be finite and greater than 0, got {value}")

    def f(u: jax.Array) -> jax.Array:
        # In powers of width / u where u is large: u³ would overflow.
        # By where, since the derivative of minimum is halved at u = width.
        near = u <= width
        small = jnp.where(near, u, width) / width
        large = width / jnp.where(near, width, u)
        return bound * jnp.where(near, small**3 / (1 + small**3), 1 / (1 + large**3))

    def integral(u: jax.Array, eps: jax.Array) -> jax.Array:
        # (w³ + u³) / (a·u³ + eps·w³) with a = bound + eps; k³ = eps·w³ / a. The rest
        # over a·(u³ + k³) integrates to a logarithm and an arctangent.
        a = bound + eps
        k = width * jnp.cbrt(eps / a)
        root3 = math.sqrt(3.0)
        of_cubic = (
            jnp.log(jnp.square(u + k) / (u * u - k * u + k * k)) / 6
            + (jnp.arctan((2 * u - k) / (root3 * k)) + math.pi / 6) / root3
        ) / (k * k)
        return u / a + (width**3 - k**3) / a * of_cubic

    return Shape(f"bounded({bound:g}, {width:g})", f, integral)


def _sqrt_integral(u: jax.Array, eps: jax.Array) -> jax.Array:
    t = jnp.sqrt(u)
    return 2 * (t - eps * jnp.log1p(t / eps))


def _cbrt_integral(u: jax.Array, eps: jax.Array) -> jax.Array:
    t = jnp.cbrt(u)
    return 3 * (t * t / 2 - eps * t + eps * eps * jnp.log1p(t / eps))


linear = Shape("linear", lambda u: u, lambda u, eps: jnp.log1p(u / eps))
quadratic = Shape(
    "quadratic",
    jnp.square,
    lambda u, eps: jnp.arctan(u / jnp.sqrt(eps)) / jnp.sqrt(eps),
)
sqrt = Shape("sqrt", jnp.sqrt, _sqrt_integral)
cbrt = Shape("cbrt", jnp.cbrt, _cbrt_integral)

_POWERS = {1: linear, 2: quadratic, 1 / 2: sqrt, 1 / 3: cbrt}

SHAPES = {
    "linear": linear,
    "quadratic": quadratic,
    "sqrt": sqrt,
    "cbrt": cbrt,
    "bounded": bounded(),
}


def resolve(f: str | ScalarFn) -> Shape:
    """The shape that `f` names, or `f` itself as a shape.

    Raises:
      ValueError: f is neither a known name nor a callable from a scalar to a scalar.
    """
    if isinstance(f, Shape):
        return f
    if not callable(f):
        if f not in SHAPES:
            raise ValueError(
                f"f must be a callable or one of {choices(f, SHAPES)} Got {f!r}."
            )
        return SHAPES[f]
    scalar = jax.ShapeDtypeStruct((), jnp.float32)
    try:
        out = jax.eval_shape(f, scalar)
    except Exception as error:
        raise ValueError(
            f"f must take one JAX scalar, the height u of the loss above c: {error}"
        ) from error
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.floating):
        raise ValueError(f"f must return a real scalar for a scalar, got {out}")
    return Shape(getattr(f, "__name__", repr(f)), f)
