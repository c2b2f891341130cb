"""Matrices as other packages have them: SciPy, JAX, networkx, and dictionaries."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from landmod_jax import _checks


class Entries(NamedTuple):
    """The entries of a square matrix; those at the same place add up.

    Attributes:
      labels: of its rows, and of its columns.
      rows, columns: int64, (m,).
      weights: float64, (m,).
    """

    labels: tuple[Hashable, ...]
    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray

    def summed(self) -> "Entries":
        """Each place once, in order, without zeros."""
        n = len(self.labels)
        places, index = np.unique(self.rows * n + self.columns, return_inverse=True)
        weights = np.bincount(index, self.weights, len(places))
        places, weights = places[weights != 0], weights[weights != 0]
        return Entries(self.labels, places // n, places % n, weights)


def is_foreign(value: Any) -> bool:
    """Whether it is a graph or a sparse matrix."""
    return _is_graph(value) or hasattr(value, "tocoo") or _is_bcoo(value)


def entries_of(name: str, value: Any) -> Entries:
    """The entries of a matrix of any format, or of the adjacency matrix of a graph.

    Raises:
      ValueError: it is no square matrix of finite real numbers.
    """
    if _is_graph(value):
        if value.is_directed():
            raise ValueError(
                f"{name} must be an undirected graph: pass G.to_undirected()"
            )
        edges = list(value.edges(data="weight", default=1.0))
        both = edges + [(v, u, w) for u, v, w in edges]
        entries = _labeled(name, both, value)
    elif isinstance(value, Mapping):
        try:
            triples = [(u, v, w) for (u, v), w in value.items()]
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} must have pairs of variables as keys; got "
                f"{_checks.shown(value)}"
            ) from error
        entries = _labeled(name, triples, ())
    else:
        entries = _of_matrix(name, value)
    if not entries.labels or not np.isfinite(entries.weights).all():
        raise ValueError(f"{name} must be finite and have at least one variable")
    return entries


def _is_graph(value: Any) -> bool:
    return hasattr(value, "is_directed") and hasattr(value, "edges")


def _is_bcoo(value: Any) -> bool:
    return hasattr(value, "indices") and hasattr(value, "todense")


def _labeled(name: str, triples: list[Any], first: Iterable[Any]) -> Entries:
    """From (label, label, weight); `first` has the labels that come first."""
    ends = [label for u, v, _ in triples for label in (u, v)]
    places = {label: i for i, label in enumerate(dict.fromkeys([*first, *ends]))}
    index = np.array([places[label] for label in ends], np.int64).reshape(-1, 2)
    weights = _checks.float64(name, [w for *_, w in triples])
    return Entries(tuple(places), index[:, 0], index[:, 1], weights)


def _of_matrix(name: str, value: Any) -> Entries:
    if not is_foreign(value):
        value = _checks.float64(name, value)
    n = value.shape[0] if value.shape else 0
    if value.shape != (n, n) or n == 0:
        raise ValueError(f"{name} must be a square matrix, got shape {value.shape}")
    if isinstance(value, np.ndarray):
        rows, columns = np.nonzero(value)
        weights = value[rows, columns]
    elif hasattr(value, "tocoo"):
        coo = value.tocoo()
        rows, columns = coo.row, coo.col
        weights = _checks.float64(name, coo.data)
    else:
        weights = _checks.float64(name, value.data)
        rows, columns = np.asarray(value.indices).T
        inside = rows < n  # the others are padding
        rows, columns, weights = rows[inside], columns[inside], weights[inside]
    return Entries(
        tuple(range(n)), rows.astype(np.int64), columns.astype(np.int64), weights
    )
