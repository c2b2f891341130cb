"""Shapes f: how much the modification flattens the landscape at height u above c."""

import difflib
from collections.abc import Callable

import jax
import jax.numpy as jnp

Shape = Callable[[jax.Array], jax.Array]


def linear(u: jax.Array) -> jax.Array:
    """f(u) = u, the thesis's choice: H grows like a logarithm above c (2.11)."""
    return u


def quadratic(u: jax.Array) -> jax.Array:
    """f(u) = u², which flattens more: H is bounded, like an arctangent, above c."""
    return jnp.square(u)


SHAPES: dict[str, Shape] = {"linear": linear, "quadratic": quadratic}


def resolve(f: str | Shape) -> Shape:
    """The shape that `f` names, or `f` itself where it is a callable."""
    if callable(f):
        return f
    if f not in SHAPES:
        close = difflib.get_close_matches(str(f), SHAPES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"f must be a callable on a scalar or one of {', '.join(SHAPES)}; "
            f"got {f!r}.{hint}"
        )
    return SHAPES[f]
