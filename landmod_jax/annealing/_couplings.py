"""How spins are coupled: the sum over one site's neighbors, for many chains at once.

`at(x, i)` returns Σ_j J_ij x_j for site i, with x of shape (n, chains). A site is a
scalar, the same in all chains, or (chains,). No site is coupled to itself.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax.annealing import _formats as formats

_UNROLLED = 16  # neighbors
_WANTED = "{} must be symmetric with zeros on the diagonal"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Dense:
    """Every pair: a symmetric matrix (n, n) with a zero diagonal."""

    matrix: jax.Array

    @property
    def n(self) -> int:
        return self.matrix.shape[0]

    @property
    def dtype(self) -> Any:
        """The dtype of states: the matrix's own, in which products are fast."""
        return self.matrix.dtype

    @property
    def table(self) -> jax.Array:
        """The couplings of each site, (n, …); zeros mean nothing."""
        return self.matrix

    def at(self, x: jax.Array, i: jax.Array) -> jax.Array:
        row = self.matrix[i]
        if row.ndim == 1:
            return row @ x.astype(row.dtype)
        # Each chain has its own row, contiguous: transpose x, not the rows.
        return (row * x.astype(row.dtype).T).sum(1)

    def of_all(self, x: jax.Array) -> jax.Array:
        """Σ_j J_ij x_j for all i, with one state x (n,)."""
        return jnp.matmul(self.matrix, x.astype(self.dtype), precision="highest")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sparse:
    """Each site's neighbors and its couplings to them, both (n, largest degree).

    Sites with fewer neighbors are padded with couplings of 0.
    """

    neighbors: jax.Array
    weights: jax.Array

    @property
    def n(self) -> int:
        return self.neighbors.shape[0]

    @property
    def dtype(self) -> Any:
        return jnp.int8

    @property
    def table(self) -> jax.Array:
        return self.weights

    def at(self, x: jax.Array, i: jax.Array) -> jax.Array:
        neighbors, weights = self.neighbors[i], self.weights[i]
        if neighbors.ndim == 2:
            found = jnp.take_along_axis(x, neighbors.T, 0, mode="promise_in_bounds")
            return (weights.T * found.astype(weights.dtype)).sum(0)
        if neighbors.size > _UNROLLED:
            return weights @ x[neighbors].astype(weights.dtype)
        # Row by row: a gather of rows does not fuse with its consumer.
        total = jnp.zeros((), weights.dtype)
        for k in range(neighbors.size):
            row = jax.lax.dynamic_index_in_dim(x, neighbors[k], 0, False)
            total = total + weights[k] * row.astype(weights.dtype)
        return total

    def of_all(self, x: jax.Array) -> jax.Array:
        return (self.weights * x[self.neighbors].astype(self.weights.dtype)).sum(-1)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Uniform:
    """The same coupling for all pairs, as in the Curie–Weiss model."""

    strength: jax.Array
    n: int = dataclasses.field(metadata={"static": True})

    @property
    def dtype(self) -> Any:
        return jnp.int8

    @property
    def table(self) -> jax.Array:
        return jnp.broadcast_to(self.strength, (self.n, 1))

    def at(self, x: jax.Array, i: jax.Array) -> jax.Array:
        others = x.sum(0, dtype=jnp.int32) - row_of(x, i).astype(jnp.int32)
        return self.strength * others.astype(self.strength.dtype)

    def of_all(self, x: jax.Array) -> jax.Array:
        others = x.sum(dtype=jnp.int32) - x.astype(jnp.int32)
        return self.strength * others.astype(self.strength.dtype)


Couplings = Dense | Sparse | Uniform


def row_of(x: jax.Array, i: jax.Array) -> jax.Array:
    """x of site i in every chain, (chains,)."""
    if jnp.ndim(i) == 0:
        return jax.lax.dynamic_index_in_dim(x, i, 0, False)
    return jnp.take_along_axis(x, i[None], 0, mode="promise_in_bounds")[0]


def with_row(x: jax.Array, i: jax.Array, row: jax.Array) -> jax.Array:
    if jnp.ndim(i) == 0:
        return jax.lax.dynamic_update_index_in_dim(x, row, i, 0)
    # Chains are a batch dimension. So it is done in place, and on the chains' devices.
    by_chain = jax.lax.ScatterDimensionNumbers(
        update_window_dims=(),
        inserted_window_dims=(0,),
        scatter_dims_to_operand_dims=(0,),
        operand_batching_dims=(1,),
        scatter_indices_batching_dims=(0,),
    )
    return jax.lax.scatter(
        x, i[:, None], row, by_chain, mode="promise_in_bounds", unique_indices=True
    )


def edges(n: int, pairs: Any, weights: Any) -> Sparse:
    """Sparse couplings from a list of pairs.

    Args:
      n: number of sites.
      pairs: (m, 2) integers, each pair of two different sites, at most once.
      weights: J of each pair, (m,), or one number for all of them.

    Returns:
      Couplings for `ising`, `potts` and `max_cut`. Memory grows as n times the largest
      number of neighbors.

    Raises:
      ValueError: an argument is none of the above, or is traced.

    Example:
      >>> from landmod_jax.annealing import spins
      >>> ring = spins.ising(spins.edges(3, [(0, 1), (1, 2), (0, 2)], 1.0))
      >>> print(ring([1, 1, -1]))
      1.0
    """
    n = _checks.integer("n", n, least=1)
    if _checks.traced(pairs):
        raise ValueError(
            f"pairs must be known when JAX traces the program; got "
            f"{_checks.shown(pairs)}"
        )
    given = _checks.float64("pairs", pairs)
    if not given.size:
        given = given.reshape(0, 2)
    if given.ndim != 2 or given.shape[1] != 2:
        raise ValueError(f"pairs must have shape (m, 2), got {given.shape}")
    ends = given.astype(np.int64)
    if (ends != given).any() or (ends < 0).any() or (ends >= n).any():
        raise ValueError(f"pairs must be integers from 0 to {n - 1}")
    ends.sort(axis=1)
    if (ends[:, 0] == ends[:, 1]).any() or len(np.unique(ends, axis=0)) < len(ends):
        raise ValueError("pairs must be of two different sites, each pair once")
    w = _checks.real_array("weights", weights)
    if w.shape not in ((), (len(ends),)):
        raise ValueError(
            f"weights must be a number or of shape ({len(ends)},), got {w.shape}"
        )
    w = jnp.broadcast_to(_finite("weights", w), (len(ends),))
    sites = ends.T.ravel()
    order = np.argsort(sites, kind="stable")
    degree = np.bincount(sites, minlength=n)
    place = np.arange(len(sites)) - np.repeat(np.cumsum(degree) - degree, degree)
    neighbors = np.zeros((n, max(degree.max(), 1)), np.int32)
    neighbors[sites[order], place] = ends[:, ::-1].T.ravel()[order]
    table = jnp.zeros(neighbors.shape, w.dtype)
    table = table.at[sites[order], place].set(jnp.concatenate([w, w])[order])
    return Sparse(jnp.asarray(neighbors), table)


def couplings_of(name: str, value: Any) -> Couplings:
    """The couplings that an argument specifies."""
    if isinstance(value, (Dense, Sparse, Uniform)):
        return value
    if formats.is_foreign(value):
        return _symmetric(name, formats.entries_of(name, value).summed())
    if isinstance(value, Mapping):
        raise ValueError(
            f"{name} must be an array, a sparse matrix, a graph, or spins.edges(…); a "
            "dictionary of pairs is for spins.qubo and for LandscapeSampler"
        )
    matrix = _finite(name, _checks.real_array(name, value))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(
            f"{name} must be an array (n, n), a sparse matrix, a graph, or "
            f"spins.edges(…); got shape {matrix.shape}"
        )
    if not _checks.traced(matrix) and not bool(
        ((matrix == matrix.T).all()) & (jnp.diag(matrix) == 0).all()
    ):
        raise ValueError(_WANTED.format(name))
    return Dense(matrix)


def _symmetric(name: str, entries: formats.Entries) -> Sparse:
    labels, i, j, weights = entries
    transposed = entries._replace(rows=j, columns=i).summed()
    if (i == j).any() or not all(map(np.array_equal, entries[1:], transposed[1:])):
        raise ValueError(_WANTED.format(name))
    upper = i < j
    return edges(len(labels), np.stack([i, j], 1)[upper], weights[upper])


def mapped(function: Callable, couplings: Couplings) -> Couplings:
    """The couplings with `function` applied to each J, which maps 0 to 0."""
    if isinstance(couplings, Dense):
        return Dense(function(couplings.matrix))
    if isinstance(couplings, Sparse):
        return Sparse(couplings.neighbors, function(couplings.weights))
    return Uniform(function(couplings.strength), couplings.n)


def per_site(name: str, value: Any, shape: tuple[int, ...]) -> jax.Array:
    """One number per site, or one for all sites."""
    array = _finite(name, _checks.real_array(name, value))
    if array.shape not in ((), shape):
        raise ValueError(
            f"{name} must be a number or of shape {shape}, got {array.shape}"
        )
    return jnp.broadcast_to(array, shape)


def _finite(name: str, array: jax.Array) -> jax.Array:
    if not _checks.traced(array) and not bool(jnp.isfinite(array).all()):
        raise ValueError(f"{name} must be finite")
    return array
