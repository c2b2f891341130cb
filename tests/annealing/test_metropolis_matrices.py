"""Transition matrices of flips: one stationary law, exp(−H), and no periods.

A matrix is made from what the loop of `metropolis` uses: the moves, their changes of U,
and the probability of accepting them, evaluated in all states. The expected law comes
from NumPy, in float64. Graphs are all connected ones of up to five spins, one for each
class of isomorphic graphs.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm
from landmod_jax.annealing import _metropolis_loop as loop
from landmod_jax.annealing import spins

T = 2.0
COUNTS = {2: 1, 3: 2, 4: 6, 5: 21}  # OEIS A001349


@functools.cache
def connected_graphs(n):
    """Adjacency matrices of all connected graphs of n nodes, up to isomorphism."""
    pairs = np.array(list(itertools.combinations(range(n), 2)))
    bits = np.arange(2 ** len(pairs))[:, None] >> np.arange(len(pairs)) & 1
    place = np.zeros((n, n), int)
    place[tuple(pairs.T)] = place[tuple(pairs.T[::-1])] = np.arange(len(pairs))
    smallest = np.arange(len(bits))
    for p in itertools.permutations(range(n)):
        moved = place[np.array(p)[pairs[:, 0]], np.array(p)[pairs[:, 1]]]
        smallest = np.minimum(smallest, bits @ (1 << moved))
    graphs = np.zeros((len(bits), n, n))
    graphs[:, pairs[:, 0], pairs[:, 1]] = graphs[:, pairs[:, 1], pairs[:, 0]] = bits
    graphs = graphs[np.unique(smallest)]
    reached = np.linalg.matrix_power(graphs + np.eye(n), n)
    return graphs[(reached > 0).all((1, 2))]


def test_all_connected_graphs_are_enumerated():
    assert {n: len(connected_graphs(n)) for n in COUNTS} == COUNTS


def couplings(n):
    """Equal, opposite and random ones on every graph."""
    for number, graph in enumerate(connected_graphs(n)):
        upper = np.random.default_rng([number, n]).normal(size=(n, n))
        for strength in (1.0, -1.0, np.triu(upper) + np.triu(upper, 1).T):
            yield graph * strength


def states_of(n):
    """All states, (n, states)."""
    return np.array(list(itertools.product((-1, 1), repeat=n)), np.int8).T


def law_of(U, c):
    """exp(−H) with f(u) = u above c, or exp(−U / T) for c None."""
    if c is None:
        H = U / T
    else:
        H = np.minimum(U - c, 0) / T + np.log1p(np.maximum(U - c, 0) / T)
    p = np.exp(H.min() - H)
    return p / p.sum()


@functools.partial(jax.jit, static_argnums=(3,))
def tried(flips, x, c, plain, step):
    """The states after accepting the moves of a step, and the probability of that."""
    law = loop.Law(None if plain else lm.SHAPES["linear"], lm.constant(0.0), False)
    move = flips.propose(None, x, step)
    value = jax.vmap(flips.model, in_axes=-1)(x)
    change = flips.change(x, move)
    rise = loop.rise(law, value, change, value + change, c, jnp.float32(T))
    probability = loop.probability(rise, flips.acceptance)
    return flips.apply(x, move, jnp.ones(x.shape[1:], bool)), probability


def site_matrices(flips, c):
    """The transition matrix of a flip of each site, (n, states, states)."""
    n = flips.model.n
    x = states_of(n)
    states = x.shape[1]
    c_of_all = jnp.full(states, np.inf if c is None else c, jnp.float32)
    matrices = np.zeros((n, states, states))
    here = np.arange(states)
    for site in range(n):
        y, p = tried(flips, x, c_of_all, c is None, jnp.int32(site))
        to = 2 ** np.arange(n)[::-1] @ (np.asarray(y) > 0)
        matrices[site, here, to] = np.minimum(np.asarray(p, np.float64), 1)
    matrices[:, here, here] += 1 - matrices.sum(2)
    return matrices


def sweep_of(matrices):
    return functools.reduce(np.matmul, matrices)


def check(matrix, law):
    """One eigenvalue of modulus 1, and the law is stationary."""
    modulus = np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1]
    np.testing.assert_allclose(modulus[0], 1, rtol=1e-9)
    assert modulus[1] < 1 - 1e-4
    np.testing.assert_allclose(law @ matrix, law, atol=1e-6)


@pytest.mark.parametrize("modified", [False, True])
@pytest.mark.parametrize("n", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_ising_flips_have_one_law_on_every_connected_graph(n, modified):
    states = states_of(n).astype(float)
    for J in couplings(n):
        U = -np.einsum("ik,ij,jk->k", states, J, states) / 2
        c = U.min() + (U.mean() - U.min()) / 3 if modified else None
        matrices = site_matrices(spins.ising(J).flips(), c)
        check(sweep_of(matrices), law_of(U, c))
        # In random order, a step takes any of the sites.
        check(matrices.mean(0), law_of(U, c))


def test_with_the_acceptance_of_metropolis_sweeps_have_several_laws():
    """Domain walls go around a ring forever: what is checked here does happen."""
    ring = np.roll(np.eye(4), 1, 0) + np.roll(np.eye(4), -1, 0)
    flips = spins.ising(ring).flips(acceptance="metropolis")
    matrices = site_matrices(flips, None)
    modulus = np.abs(np.linalg.eigvals(sweep_of(matrices)))
    assert (modulus > 1 - 1e-6).sum() > 1
