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
        for name in MODELS
        if name != "dense Potts"
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


@pytest.mark.parametrize("f", ["bounded", lm.power(1.5)])
def test_any_shape_has_its_law(f):
    name = "sparse Ising"
    p = law(name, f)
    assert distance(sampled(name, **modified(name, f)), p) < limit(p)


def test_the_full_h_has_its_logarithm():
    name = "dense Ising"
    found = sampled(name, **modified(name, logarithm=True))
    p, without = law(name, "linear", True), law(name, "linear")
    assert distance(found, p) < limit(p)
    assert distance(found, without) > 1.5 * limit(without)


def H(u, c):
    """With f(u) = u."""
    return np.minimum(u - c, 0) / T + np.log1p(np.maximum(u - c, 0) / T)


def right(x, y, c):
    return H(y, c) - H(x, c)


def no_logarithm(x, y, c):
    """The scale at x times ΔU, without the logarithm that integrating it gives."""
    return (y - x) / (np.maximum(x - c, 0) + T)


def c_within(x, y, c):
    """H at the new state with the c that it would bring."""
    after = np.minimum(c, np.minimum(x, y))
    return right(x, y, c) + np.log1p((c - after) / (np.abs(y - c) + T))


@pytest.mark.parametrize(
    ("rise", "logarithm", "accepted"),
    [
        (right, False, True),
        (no_logarithm, False, False),
        (c_within, False, False),
        (right, True, False),  # without the full H's own logarithm
    ],
)
def test_wrong_rises_would_be_refused(rise, logarithm, accepted):
    """The exact law after 40 sweeps by the heat bath of this rise, in NumPy."""
    states, U = enumerated("dense Ising")
    p, c = law("dense Ising", "linear", logarithm), height("dense Ising")
    found = np.full(len(U), 1 / len(U))
    for site in [*range(6)] * 40:
        flipped = np.arange(len(U)) ^ (1 << 5 - site)
        assert (states[flipped, site] == -states[:, site]).all()
        moved = found / (1 + np.exp(rise(U, U[flipped], c)))
        found = found - moved + moved[flipped]
    assert (distance(found, p) < limit(p)) == accepted
    assert (distance(found, p) > 1.5 * limit(p)) != accepted


@pytest.mark.parametrize("f", ["linear", "quadratic", "sqrt", "cbrt", "bounded"])
@pytest.mark.parametrize("T", [1e-2, 1e-4, 1e-7, 1e-10, 0.0])
@pytest.mark.parametrize("ends", [(0.5, 2.0), (30.0, 31.0), (1e4, 1.1e4)])
def test_the_rise_above_c_is_exact_at_every_temperature(f, T, ends):
    """As T falls, ΔH above c tends to ∫ du / f; a rounding error would decide there."""
    low, high = ends
    shape = {
        "linear": lambda u: u,
        "quadratic": lambda u: u * u,
        "sqrt": np.sqrt,
        "cbrt": np.cbrt,
        "bounded": lambda u: 1 / (1 + u**-3.0),
    }[f]
    exact, _ = integrate.quad(lambda u: 1 / (shape(u) + T), low, high, epsrel=1e-10)
    of_f = loop.Law(lm.SHAPES[f], lm.constant(0.0), False)
    for sign, (start, end) in ((1, (low, high)), (-1, (high, low))):
        x, y = jnp.float32([start]), jnp.float32([end])
        got = loop.rise(of_f, x, y - x, y, jnp.float32([0.0]), jnp.float32(T))
        np.testing.assert_allclose(got, sign * exact, rtol=1e-5, atol=3e-6)


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


def ring_of(n, coupling=1.0):
    return spins.edges(n, [(i, (i + 1) % n) for i in range(n)], coupling)


@pytest.mark.parametrize(
    ("model", "at", "c", "order"),
    [
        (spins.ising(ring_of(6)), 3.0, None, "sequential"),
        (spins.curie_weiss(5, 5.0), 4.0, -6.0, "sequential"),
        (spins.ising(np.zeros((2, 2))), 1.0, None, "random"),
        (spins.potts(ring_of(4), 3), 3.0, None, "random"),
    ],
    ids=["ring", "complete graph with LM", "uncoupled", "Potts ring"],
)
def test_chains_that_start_alike_have_the_enumerated_law(model, at, c, order):
    """Walls that go around forever, cycles of states and parities would be kept."""
    q = len(colors(model))
    states = np.array(list(itertools.product(colors(model), repeat=model.n)))
    H = np.asarray(jax.vmap(model)(jnp.asarray(states)), np.float64) / at
    options = {}
    if c is not None:
        over = H * at - c
        H = np.minimum(over, 0) / at + np.log1p(np.maximum(over, 0) / at)
        options = {"f": "linear", "threshold": lm.constant(c)}
    p = np.exp(H.min() - H)
    p /= p.sum()
    start = jnp.ones((M, model.n), jnp.int8)
    # A whole number of sweeps: the last states of all chains have one period.
    x = annealing.metropolis(
        model, model.flips(order), start, jax.random.key(4), steps=40 * model.n,
        temperature=at, records=0, **options,
    ).state.x  # fmt: skip
    digits = np.searchsorted(np.array(colors(model)), np.asarray(x))
    index = digits @ (q ** np.arange(model.n)[::-1])
    found = np.bincount(index, minlength=len(states)) / M
    assert distance(found, p) < limit(p)


@pytest.mark.parametrize(
    ("make", "order"), [(spins.ising, "sequential"), (spins.max_cut, "random")]
)
def test_a_ring_of_equal_couplings_is_solved(make, order):
    model = make(ring_of(20))
    steps = 500 * model.n
    best = annealing.metropolis(
        model, model.flips(order), model.sample(jax.random.key(7), 100),
        jax.random.key(0), steps=steps,
        temperature=annealing.geometric(5.0, 0.05, steps), records=0,
    ).best_value  # fmt: skip
    # Both have −20 as their lowest energy.
    assert (np.asarray(best) == -20).mean() > 0.9
