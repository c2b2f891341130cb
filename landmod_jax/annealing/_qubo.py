"""Quadratic functions of the caller's binary variables, as Ising models."""

import dataclasses
from collections.abc import Hashable
from typing import Any

import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax.annealing import _couplings as couplings_of
from landmod_jax.annealing import _formats as formats
from landmod_jax.annealing._spin_models import Ising

_DENSE = 4  # sparse couplings are faster if a site has less than n / 4 neighbors


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """A quadratic function of labeled binary variables. Made by `qubo` and `from_bqm`.

    Attributes:
      model: the Ising model with the same energies, for `metropolis`.
      variables: labels, in the order of the spins.
      values: what a variable has for the spins −1 and 1: (0, 1) or (−1, 1).
    """

    model: Ising
    variables: tuple[Hashable, ...]
    values: tuple[int, int]
    _linear: np.ndarray
    _pairs: np.ndarray
    _weights: np.ndarray
    _offset: float

    def decode(self, x: Any) -> dict[Hashable, int]:
        """The value of each variable in a state of the model, (n,)."""
        return dict(zip(self.variables, self.array(x).tolist(), strict=True))

    def array(self, x: Any) -> np.ndarray:
        """The variables' values in states of the model, (…, n) int8."""
        low, high = self.values
        return np.where(np.asarray(x) > 0, high, low).astype(np.int8)

    def energy(self, x: Any) -> np.ndarray:
        """The function in float64, (…), at states of the model, (…, n)."""
        z = self.array(x).astype(np.float64)
        i, j = self._pairs.T
        return self._offset + z @ self._linear + (z[..., i] * z[..., j]) @ self._weights


def qubo(Q: Any, offset: Any = 0.0) -> Problem:
    """The function Σ_ij Q_ij b_i b_j + offset of bits b_i, 0 or 1, to be minimized.

    Args:
      Q: a square matrix, which need not be symmetric or triangular: an array, a sparse
        matrix of SciPy or BCOO of JAX, or a dictionary from pairs of labels to numbers.
        Q_ij and Q_ji add up; the diagonal has the linear terms.
      offset: a number.

    Returns:
      A `Problem`. `metropolis` minimizes `problem.model`, whose energies are those of
      the function; `problem.decode(state)` is a dictionary of bits, with the labels of
      Q or the numbers of its rows, and `problem.energy(states)` has full precision.

    Raises:
      ValueError: an argument is none of the above.

    Example:
      >>> import jax
      >>> from landmod_jax import annealing
      >>> Q = {("a", "a"): -1, ("b", "b"): -1, ("a", "b"): 3}
      >>> problem = annealing.spins.qubo(Q)
      >>> key, start = jax.random.split(jax.random.key(0))
      >>> x0, flips = problem.model.sample(start, 4), problem.model.flips()
      >>> result = annealing.metropolis(problem.model, flips, x0, key, steps=200)
      >>> print(sorted(problem.decode(result.best_x[0]).values()), result.best_value[0])
      [0, 1] -1.0
    """
    entries = formats.entries_of("Q", Q)
    offset = float(_checks.number("offset", offset))
    diagonal = entries.rows == entries.columns
    linear = np.bincount(
        entries.rows[diagonal], entries.weights[diagonal], len(entries.labels)
    )
    return _problem(entries, linear, offset, (0, 1))


def from_bqm(bqm: Any) -> Problem:
    """A binary quadratic model of dimod, of either vartype.

    Args:
      bqm: a `dimod.BinaryQuadraticModel` with at least one variable.

    Returns:
      A `Problem`, as `qubo` does; `decode` has the model's labels and values.

    Raises:
      ValueError: bqm is none.
    """
    if not hasattr(bqm, "to_numpy_vectors") or not len(bqm.variables):
        raise ValueError(
            "bqm must be a dimod.BinaryQuadraticModel with at least one variable; got "
            f"{_checks.shown(bqm)}"
        )
    labels = tuple(bqm.variables)
    linear, (i, j, weights), offset = bqm.to_numpy_vectors(variable_order=labels)
    i, j = (np.asarray(ends, np.int64) for ends in (i, j))
    entries = formats.Entries(labels, i, j, _checks.float64("bqm", weights))
    values = (0, 1) if bqm.vartype.name == "BINARY" else (-1, 1)
    return _problem(entries, _checks.float64("bqm", linear), float(offset), values)


def _problem(
    entries: formats.Entries,
    linear: np.ndarray,
    offset: float,
    values: tuple[int, int],
) -> Problem:
    """From the linear terms, and the quadratic ones off the diagonal of `entries`."""
    i, j, n = entries.rows, entries.columns, len(entries.labels)
    upper = entries._replace(rows=np.minimum(i, j), columns=np.maximum(i, j)).summed()
    off = upper.rows != upper.columns
    pairs = np.stack([upper.rows, upper.columns], 1)[off]
    weights = upper.weights[off]
    J, h, constant = weights, linear, offset
    if values == (0, 1):  # b = (1 + s) / 2
        J = weights / 4
        around = np.bincount(pairs.ravel(), np.repeat(J, 2), n)
        h = linear / 2 + around
        constant = offset + linear.sum() / 2 + J.sum()
    model = Ising(
        _coupled(n, pairs, -J),
        couplings_of.per_site("linear terms", -h, (n,)),
        jnp.asarray(constant, float),
    )
    return Problem(model, entries.labels, values, linear, pairs, weights, offset)


def _coupled(n: int, pairs: np.ndarray, J: np.ndarray) -> couplings_of.Couplings:
    if np.bincount(pairs.ravel(), minlength=n).max() * _DENSE < n:
        return couplings_of.edges(n, pairs, J)
    matrix = np.zeros((n, n))
    matrix[tuple(pairs.T)] = J
    return couplings_of.couplings_of("quadratic terms", matrix + matrix.T)
