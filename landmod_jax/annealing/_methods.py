"""The four diffusions, coefficient by coefficient, and their steps.

The plain ones are the improved ones with f = 0.

Points and gradients have shape (d,) or (d, chains). Values of a chain, such as T and f,
are scalars or have shape (chains,) and broadcast.
"""

import functools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from landmod_jax._numerics import at_height, root
from landmod_jax._shapes import Shape

MethodName = Literal["langevin", "kinetic", "improved", "improved_kinetic"]


class Local(NamedTuple):
    """What the coefficients depend on besides ∇U, at one point and time."""

    T: jax.Array  # T(t)
    eps: jax.Array  # ε
    f: jax.Array  # f((U − c)₊)
    slope: jax.Array  # d f((U − c)₊) / dU


class Overdamped(NamedTuple):
    """dX = drift dt + diffusion dB (Itô)."""

    drift: jax.Array
    diffusion: jax.Array


class Kinetic(NamedTuple):
    """dX = Y dt, dY = −friction · Y dt + force dt + diffusion dB."""

    friction: jax.Array
    force: jax.Array
    diffusion: jax.Array | float


def overdamped(grad: jax.Array, at: Local) -> Overdamped:
    """dX = −∇U dt + √(2(f((U − c)₊) + T)) dB  (2.7); with f = 0, (2.2).

    At constant T and c, −∇U·p = ∇((f + T)·p) gives the law exp(−H), with H of (2.9),
    its logarithm included, and ε = T. With f = 0, it is exp(−U/T).
    """
    return Overdamped(drift=-grad, diffusion=root(2 * (at.f + at.T)))


def kinetic(grad: jax.Array, at: Local) -> Kinetic:
    """dX = Y dt, dY = −Y/T dt − T∇H dt + √2 dB  (2.8), with the full H of (2.9):

    ∇H = (1 + f′) ∇U / (f + ε). At constant T and c, its law is exp(−H) in x and N(0, T)
    in each y, independent. With f = 0 and ε = T, it is (2.5), to the bit.
    """
    scale = at.T * (1 + at.slope) / (at.f + at.eps)
    return Kinetic(friction=1 / at.T, force=-scale * grad, diffusion=math.sqrt(2))


def height_above(
    shape: Shape, value: jax.Array, c: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """f((U − c)₊) and its derivative in U, which is 0 at and below c."""
    u = value - c
    return jax.jvp(functools.partial(at_height, shape), (u,), (jnp.ones_like(u),))


Bound = Callable[[jax.Array, jax.Array | None], tuple[jax.Array, jax.Array | None]]


def move(
    terms: Overdamped | Kinetic,
    x: jax.Array,
    y: jax.Array | None,
    dt: jax.Array,
    noise: jax.Array,
    bound: Bound,
) -> tuple[jax.Array, jax.Array | None]:
    """A step up to its evaluation of U and ∇U: Euler–Maruyama, or BAOAB but for its B.

    Args:
      terms: coefficients at x.
      bound: x and y to what the walls make of them.
    """
    if isinstance(terms, Overdamped):
        drift, diffusion = terms
        return bound(x + drift * dt + diffusion * jnp.sqrt(dt) * noise, y)
    assert y is not None
    friction, force, kicks = terms
    decay = jnp.exp(-friction * dt)
    # √2 noise against friction 1/T: variance (√2)² / (2/T) = T in the long run.
    spread = kicks * root((1 - decay * decay) / (2 * friction))
    y = y + force * dt / 2
    x, y = bound(x + y * dt / 2, y)
    y = decay * jnp.asarray(y) + spread * noise
    return bound(x + y * dt / 2, y)


def finish(terms: Kinetic, y: jax.Array, dt: jax.Array) -> jax.Array:
    """The last B of BAOAB, with the coefficients at the new point."""
    return y + terms.force * dt / 2


class Method(NamedTuple):
    kinetic: bool
    modified: bool


METHODS: dict[MethodName, Method] = {
    "langevin": Method(kinetic=False, modified=False),
    "kinetic": Method(kinetic=True, modified=False),
    "improved": Method(kinetic=False, modified=True),
    "improved_kinetic": Method(kinetic=True, modified=True),
}
