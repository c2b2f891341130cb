"""Spin systems with known lowest energy, and max-cut with the best energy found."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from landmod_jax.annealing import spins


@dataclasses.dataclass(frozen=True)
class Instance:
    """A model, its couplings for other programs, and the energy to reach.

    The model is U = −Σ J s s without offset, from pairs (m, 2) and J (m,). target is
    the lowest U; NaN if it is not known.
    """

    model: Any
    pairs: np.ndarray
    J: np.ndarray
    target: float


@dataclasses.dataclass(frozen=True)
class Family:
    """Instances of one kind, each made from a seed."""

    label: str
    make: Callable[[int], Instance]
    known: str  # where the target comes from
    unit: float  # the unit of temperatures: about the field on a spin


def dense(n: int, seed: int) -> Instance:
    """Sherrington–Kirkpatrick: Gaussian couplings of variance 1/n between all pairs."""
    instance = dense_of(n, seed)
    matrix = np.asarray(instance.model.couplings.matrix)
    return dataclasses.replace(instance, target=lowest(matrix))


def dense_of(n: int, seed: int = 0) -> Instance:
    """Like `dense`, but of any size, without the lowest energy."""
    rng = np.random.default_rng([1, n, seed])
    pairs = np.array([(i, j) for i in range(n) for j in range(i)])
    J = rng.normal(size=len(pairs)).astype(np.float32) / np.float32(np.sqrt(n))
    return Instance(spins.ising(_matrix(n, pairs, J)), pairs, J, np.nan)


def lowest(matrix: np.ndarray) -> float:
    """The lowest energy of −Σ_{i<j} J_ij s_i s_j, by enumeration.

    It combines all states of one half of the spins with all of the other half.
    """
    n = len(matrix)
    half = n // 2
    first, second = (
        1.0 - 2.0 * (np.arange(2**m)[:, None] >> np.arange(m) & 1)
        for m in (half, n - half)
    )
    matrix = np.asarray(matrix, np.float64)
    within = [
        -((s @ J) * s).sum(1) / 2
        for s, J in ((first, matrix[:half, :half]), (second, matrix[half:, half:]))
    ]
    across = matrix[:half, half:] @ second.T
    return float(
        min(
            (energy - s @ across + within[1]).min()
            for s, energy in zip(first, within[0], strict=True)
        )
    )


def loops(side: int, seed: int, ratio: float = 0.9) -> Instance:
    """Frustrated loops on a periodic cubic lattice, with a planted ground state.

    Each loop has one antiferromagnetic bond; with all spins alike, no state has a lower
    energy on any of the loops, nor on their sum. A random gauge hides that state (Hen
    et al., Probing for quantum speedup in spin-glass problems with planted solutions,
    2015).

    Args:
      ratio: loops per spin.
    """
    rng = np.random.default_rng([2, side, seed])
    n = side**3
    J: dict[tuple[int, int], float] = {}
    lowest = 0.0
    for _ in range(round(ratio * n)):
        bonds = _loop(side, rng)
        odd = rng.integers(len(bonds))
        for place, bond in enumerate(bonds):
            J[bond] = J.get(bond, 0.0) + (-1.0 if place == odd else 1.0)
        lowest -= len(bonds) - 2
    pairs = np.array([bond for bond, w in J.items() if w])
    gauge = rng.choice([-1.0, 1.0], n)
    weights = np.array([w for w in J.values() if w]) * gauge[pairs].prod(1)
    weights = weights.astype(np.float32)
    model = spins.ising(_padded(n, pairs, weights))
    return Instance(model, pairs, weights, lowest)


def _padded(n: int, pairs: np.ndarray, weights: np.ndarray, degree: int = 6) -> Any:
    """Sparse couplings with the same shape for all instances, to share programs."""
    J = spins.edges(n, pairs, weights)
    more = degree - J.neighbors.shape[1]
    pad = lambda table: jnp.pad(table, ((0, 0), (0, more)))  # noqa: E731
    return dataclasses.replace(J, neighbors=pad(J.neighbors), weights=pad(J.weights))


def _loop(side: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """The bonds of a loop: a random walk until it returns to a site."""
    while True:
        walk = [int(rng.integers(side**3))]
        place = {walk[0]: 0}
        while True:
            here = np.array(np.unravel_index(walk[-1], (side,) * 3))
            here[rng.integers(3)] += rng.choice([-1, 1])
            site = int(np.ravel_multi_index(tuple(here % side), (side,) * 3))
            if len(walk) > 1 and site == walk[-2]:
                continue
            if site in place:
                loop = walk[place[site] :]
                break
            place[site] = len(walk)
            walk.append(site)
        bonds = [
            (min(a, b), max(a, b))
            for a, b in zip(loop, [*loop[1:], loop[0]], strict=True)
        ]
        if len(bonds) > 4 and len(set(bonds)) == len(bonds):
            return bonds


def planted(n: int, seed: int, ratio: float = 0.75) -> Instance:
    """Wishart planted ensemble: dense couplings, ground states ±t and U(t) known.

    U(s) = Σ_k (w_k · s)² / (2n) minus its constant part. Every w_k is orthogonal to t,
    so no energy is below that of ±t (Hamze et al., Wishart planted ensemble, 2020).

    Args:
      ratio: vectors w per spin; fewer are harder.
    """
    rng = np.random.default_rng([3, n, seed])
    t = rng.choice([-1.0, 1.0], n)
    w = rng.normal(size=(round(ratio * n), n))
    w -= np.outer(w @ t, t) / n
    full = -(w.T @ w) / n
    matrix = (full - np.diag(np.diag(full))).astype(np.float32)
    pairs = np.array([(i, j) for i in range(n) for j in range(i)])
    J = matrix[pairs[:, 0], pairs[:, 1]]
    exact = matrix.astype(np.float64)
    return Instance(spins.ising(matrix), pairs, J, float(-(t @ exact @ t) / 2))


def cut(n: int, seed: int) -> Instance:
    """Max-cut of a random graph with half of all edges; its best cut is not known."""
    rng = np.random.default_rng([4, n, seed])
    pairs = np.array([(i, j) for i in range(n) for j in range(i)])
    pairs = pairs[rng.random(len(pairs)) < 0.5]
    w = np.ones(len(pairs), np.float32)
    model = spins.max_cut(_matrix(n, pairs, w))
    return Instance(model, pairs, -w / 2, np.nan)


def _matrix(n: int, pairs: np.ndarray, J: np.ndarray) -> np.ndarray:
    matrix = np.zeros((n, n), np.float32)
    matrix[pairs[:, 0], pairs[:, 1]] = J
    return matrix + matrix.T


def families(quick: bool) -> dict[str, Family]:
    """The families of a study, by name."""
    n, side, wishart, graph = (10, 3, 10, 10) if quick else (24, 5, 48, 48)
    part = functools.partial
    return {
        "dense": Family(f"SK, n = {n}", part(dense, n), "enumerated", 1.0),
        "loops": Family(f"loops, n = {side**3}", part(loops, side), "planted", 2.0),
        "wishart": Family(
            f"Wishart, n = {wishart}", part(planted, wishart), "planted", 0.5
        ),
        "cut": Family(
            f"max-cut, n = {graph}", part(cut, graph), "best found", graph**0.5 / 2
        ),
    }
