"""Adaptive quadrature of 1 / (f(v) + ε), elementwise and differentiable."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_FIRST, _MOST = 4, 128  # panels: at the start, and for the hardest f
_TOLERANCE = 1e-9


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["closed_over"],
    meta_fields=["of_scalar"],
)
@dataclasses.dataclass(frozen=True)
class Traceable:
    """f as a pytree of the values that it closes over, such as p of power(p)."""

    of_scalar: Callable
    closed_over: list[Any]

    def __call__(self, u: jax.Array) -> jax.Array:
        def f(u: jax.Array) -> jax.Array:
            return self.of_scalar(u, *self.closed_over)

        for _ in range(u.ndim):
            f = jax.vmap(f)
        return f(u)


def traceable(f: Callable, like: jax.Array) -> Traceable:
    """f of scalars of this dtype."""
    # A shape with a traced parameter has no hash, which closure_convert asks for.
    return Traceable(
        *jax.closure_convert(lambda u: f(u), jnp.zeros((), like.dtype)),
    )


class _Panels(NamedTuple):
    """Parts of the unit interval, (..., panels); those not yet in use are empty."""

    low: jax.Array
    high: jax.Array


@jax.custom_jvp
def mean(f: Traceable, low: jax.Array, width: jax.Array, eps: jax.Array) -> jax.Array:
    """The mean of 1 / (f(v) + eps) from `low` to `low + width`, elementwise.

    Panels are bisected, the one with the largest error first, until the sum of their
    errors is below 1e-9 of the mean, or below 8 roundings if that is more.
    """
    return _refined(f, low, width, eps)[0]


@mean.defjvp
def _mean_jvp(primals: Any, tangents: Any) -> Any:
    value, panels = _refined(*primals)

    def on_these_panels(f: Traceable, low: Any, width: Any, eps: Any) -> jax.Array:
        return _integrals(f, low, width, eps, panels)[0].sum(-1)

    return value, jax.jvp(on_these_panels, primals, tangents)[1]


def _refined(*arguments: Any) -> tuple[jax.Array, _Panels]:
    f, low, width, eps = jax.lax.stop_gradient(arguments)
    tolerance = max(_TOLERANCE, 8 * float(jnp.finfo(low.dtype).eps))
    integrals = functools.partial(_integrals, f, low, width, eps)

    def spread(edges: np.ndarray) -> jax.Array:
        empty = np.ones(_MOST - len(edges))  # panels from 1 to 1
        row = jnp.asarray(np.concatenate([edges, empty]), low.dtype)
        return jnp.zeros_like(low)[..., None] + _row(row, low.ndim)

    edges = np.arange(_FIRST + 1) / _FIRST
    panels = _Panels(spread(edges[:-1]), spread(edges[1:]))
    first = integrals(_Panels(*(ends[..., :_FIRST] for ends in panels)))
    sums = tuple(_padded(part) for part in first)

    def active(sums: tuple[jax.Array, jax.Array]) -> jax.Array:
        total, error = (part.sum(-1) for part in sums)
        return error > tolerance * total

    def unfinished(carry: Any) -> jax.Array:
        used, _, sums = carry
        return (used < _MOST) & active(sums).any()

    def bisect(carry: Any) -> Any:
        used, panels, sums = carry
        places = _row(jnp.arange(_MOST, dtype=jnp.int32), low.ndim)
        worst = sums[1].argmax(-1).astype(jnp.int32)[..., None]
        # Finished elements stay as they are, whatever the others need.
        left = active(sums)[..., None] & (places == worst)
        right = active(sums)[..., None] & (places == used)
        a, b = (jnp.take_along_axis(ends, worst, -1)[..., 0] for ends in panels)
        middle = (a + b) / 2
        halves = _Panels(*(jnp.stack(ends, -1) for ends in ((a, middle), (middle, b))))

        def put(old: jax.Array, new: jax.Array) -> jax.Array:
            new_left, new_right = new[..., :1], new[..., 1:]
            return jnp.where(left, new_left, jnp.where(right, new_right, old))

        return used + 1, *jax.tree.map(put, (panels, sums), (halves, integrals(halves)))

    _, panels, (integral, _) = jax.lax.while_loop(
        unfinished, bisect, (jnp.int32(_FIRST), panels, sums)
    )
    return integral.sum(-1), panels


def _integrals(
    f: Traceable,
    low: jax.Array,
    width: jax.Array,
    eps: jax.Array,
    panels: _Panels,
) -> tuple[jax.Array, jax.Array]:
    """Each panel's integral and its error, from two rules of Gauss and Legendre.

    In s of v = low + width · s⁴: nodes are dense at low, where f may rise like √v.
    """
    places, weights, lower_weights = (
        _row(jnp.asarray(row, low.dtype), panels.low.ndim) for row in _rules()
    )
    length = (panels.high - panels.low)[..., None]
    s = panels.low[..., None] + length * places
    v = low[..., None, None] + width[..., None, None] * s**4
    values = length * 4 * s**3 / (f(v) + eps[..., None, None])
    integral = (weights * values).sum(-1)
    return integral, jnp.abs((lower_weights * values).sum(-1) - integral)


@functools.cache
def _rules() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes in (0, 1), and at these nodes the weights of a rule and of a lower one."""
    (fine, w), (coarse, lower) = map(np.polynomial.legendre.leggauss, (10, 7))
    return (
        (np.concatenate([fine, coarse]) + 1) / 2,
        np.concatenate([w, np.zeros(7)]) / 2,
        np.concatenate([np.zeros(10), lower]) / 2,
    )


def _row(row: jax.Array, ndim: int) -> jax.Array:
    """A row as an array of ndim + 1 dimensions, which no promotion has to add."""
    return row.reshape((1,) * ndim + (-1,))


def _padded(part: jax.Array) -> jax.Array:
    wider = [(0, 0)] * (part.ndim - 1) + [(0, _MOST - part.shape[-1])]
    return jnp.pad(part, wider)
