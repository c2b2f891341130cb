"""At constant T and c, chains sample the law that they should, and no other.

Small systems are enumerated. The final states of M independent chains are held against
the law p over its K states by total variation (TV). Of M independent draws, TV has the
mean ½ Σ E|p̂ − p| ≤ ½ Σ √(p / M), and exceeds it by t with probability under
exp(−2 M t²) (McDiarmid, since a draw changes TV by at most 1/M): for M = 10,000 and one
in 10⁶, t = 0.026. The chains are long enough for their own bias to be below that.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

import landmod_jax as lm
from landmod_jax import annealing
from landmod_jax.annealing import _metropolis_loop as loop
from landmod_jax.annealing import spins

M, T = 10_000, 0.8
RNG = np.random.default_rng(1)
J = np.triu(RNG.normal(size=(6, 6)), 1)
J += J.T
PAIRS = [(i, (i + 1) % 6) for i in range(6)] + [(0, 3)]
SPARSE = spins.edges(6, PAIRS, RNG.normal(size=7))
MODELS = {
    "dense Ising": spins.ising(J, RNG.normal(size=6)),
    "sparse Ising": spins.ising(SPARSE, 0.3),
    "Curie-Weiss": spins.curie_weiss(6, 1.5, 0.1),
    "dense Potts": spins.potts(2 * J[:4, :4], 3, RNG.normal(size=(4, 3))),
    "sparse Potts": spins.potts(spins.edges(4, PAIRS[:3], -2.0), 3),
    "max-cut": spins.max_cut(SPARSE),
}


def colors(model):
    return range(model.q) if isinstance(model, spins.Potts) else (-1, 1)


@functools.cache
def enumerated(name):
    """All states (K, n) and their energies, from the definition, in float64."""
    model = MODELS[name]
    states = np.array(list(itertools.product(colors(model), repeat=model.n)))
    return states, np.asarray(jax.vmap(model)(jnp.asarray(states)), np.float64)


def height(name):
    """c: a third of the way from the lowest energy to the mean."""
    _, U = enumerated(name)
    return float(U.min() + (U.mean() - U.min()) / 3)


def law(name, f=None, logarithm=False):
    _, U = enumerated(name)
    H = U / T
    if f is not None:
        H = lm.landscape(jnp.asarray(U), height(name), T, f, logarithm=logarithm)
        H = np.asarray(H, np.float64)
    p = np.exp(H.min() - H)
    return p / p.sum()


def sampled(name, order="sequential", sweeps=40, **options):
    """The share of the chains that end in each state."""
    model = MODELS[name]
    start, key = jax.random.split(jax.random.key(3))
    x = annealing.metropolis(
        model, model.flips(order), model.sample(start, M), key,
        steps=sweeps * model.n, temperature=T, records=0, **options,
    ).state.x  # fmt: skip
    base = np.array(colors(model))
    digits = np.searchsorted(base, np.asarray(x))
    index = digits @ (len(base) ** np.arange(model.n)[::-1])
    return np.bincount(index, minlength=len(base) ** model.n) / M


def modified(name, f="linear", **options):
    return {"f": f, "threshold": lm.constant(height(name))} | options


def distance(p, q):
    return np.abs(p - q).sum() / 2


def limit(p):
    return np.sqrt(p / M).sum() / 2 + math.sqrt(math.log(1e6) / (2 * M))


# Every system with the modification; the plain law and the other order of one of them.
CASES = [
    ("sparse Ising", "sequential", None),
    ("sparse Ising", "random", "linear"),
    ("dense Potts", "sequential", "linear"),
    *(
        pytest.param(name, "sequential", "linear", marks=pytest.mark.slow)
        for name in ("Curie-Weiss", "sparse Potts", "max-cut")
    ),
]


@pytest.mark.parametrize(("name", "order", "f"), CASES)
def test_spins_have_the_enumerated_law(name, order, f):
    options = {} if f is None else modified(name)
    found = sampled(name, order, **options)
    p, other = law(name, f), law(name, None if f else "linear")
    assert distance(found, p) < limit(p)
    # The test can tell the two laws apart.
    assert distance(found, other) > 1.5 * limit(other)


def test_a_shape_without_a_closed_form_has_its_law():
    name, f = "sparse Ising", lm.power(1.5)
    p = law(name, f)
    assert distance(sampled(name, sweeps=20, **modified(name, f)), p) < limit(p)


def test_the_full_h_has_its_logarithm():
    name = "dense Ising"
    found = sampled(name, **modified(name, logarithm=True))
    p, without = law(name, "linear", True), law(name, "linear")
    assert distance(found, p) < limit(p)
    assert distance(found, without) > 1.5 * limit(without)


@pytest.mark.parametrize("f", lm.SHAPES)
def test_the_rise_above_c_is_exact_at_every_temperature(f):
    """As T falls, ΔH above c tends to ∫ du / f; a rounding error would decide there."""
    shape = {
        "linear": lambda u: u,
        "quadratic": lambda u: u * u,
        "sqrt": np.sqrt,
        "cbrt": np.cbrt,
        "bounded": lambda u: 1 / (1 + u**-3.0),
    }[f]
    ends = np.float32([(0.5, 2.0), (30.0, 31.0), (1e4, 1.1e4)])
    of_f = loop.Law(lm.SHAPES[f], lm.constant(0.0), False)
    x, y = jnp.concatenate([ends, ends[:, ::-1]]).T
    for T in (1e-2, 1e-4, 1e-10, 0.0):
        exact = [
            integrate.quad(lambda u, T=T: 1 / (shape(u) + T), a, b, epsrel=1e-10)[0]
            for a, b in ends
        ]
        got = loop.rise(of_f, x, y - x, y, jnp.zeros(6), jnp.float32(T))
        expected = np.concatenate([exact, np.negative(exact)])
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=3e-6)


def test_the_integral_of_the_bounded_shape_joins_where_its_forms_meet():
    """k³ = ε / (bound + ε); the forms meet at u = 2k · width."""
    f, eps = lm.bounded(2.0, 0.5), 1e-3
    meet = 2 * 0.5 * (eps / (2 + eps)) ** (1 / 3)
    low = meet * jnp.float32([0.2, 0.99, 0.5, 1.01, 1.0])
    high = meet * jnp.float32([0.99, 1.01, 20.0, 30.0, 1.0])
    got = f.between(low, high, jnp.full(5, eps))
    exact = [
        integrate.quad(lambda u: 1 / (2 * u**3 / (0.125 + u**3) + eps), a, b)[0]
        for a, b in zip(np.float64(low), np.float64(high))
    ]
    np.testing.assert_allclose(got, exact, rtol=3e-6, atol=2e-4)
