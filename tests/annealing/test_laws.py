"""At constant temperature each chain must sample its own law, and no other.

Many independent chains, their last points held by a Kolmogorov-Smirnov test against the
density by quadrature. With 4,000 of them a law that is off by 0.03 fails; the bias of
the step sizes used here is below that: halving them changes the statistics by less than
their scatter.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

import landmod_jax as lm
from landmod_jax import annealing
from landmod_jax.annealing import _noise

CHAINS, T, C = 4000, 0.5, -0.1
GRID = np.linspace(-3, 3, 6001)
F = lm.bounded(2.0, 0.5)


def energy(x):
    """A tilted double well: minima near ±1, a barrier of 1 near 0."""
    return ((x * x - 1) ** 2 + 0.3 * x).sum()


U = np.asarray(jax.vmap(energy)(jnp.asarray(GRID)[:, None]), np.float64)


def cdf(log_density):
    density = np.exp(log_density - log_density.max())
    total = integrate.cumulative_simpson(density, x=GRID, initial=0.0)
    return lambda x: np.interp(x, GRID, total / total[-1])


def modified(logarithm=True, eps=T):
    h = lm.landscape(jnp.asarray(U), C, eps, F, logarithm=logarithm)
    return -np.asarray(h, np.float64)


def sample(method, dt, time=30.0, **options):
    start = jax.random.uniform(jax.random.key(7), (CHAINS, 1), minval=-1, maxval=1)
    result = annealing.anneal(
        energy, start, jax.random.key(3), method=method, steps=round(time / dt),
        step_size=dt, temperature=T, records=0, **options,
    )  # fmt: skip
    assert bool(result.state.alive.all())
    return np.asarray(result.state.x[:, 0], np.float64), result.state


@functools.cache
def sampled(method):
    """Of the law of LAWS, for the two tests of it."""
    dt, options, _ = LAWS[method]
    return sample(method, dt, **options)


LANDSCAPE = {"f": F, "threshold": lm.constant(C)}
LAWS = {
    "langevin": (0.005, {}, lambda: -U / T),
    "improved": (0.002, LANDSCAPE, modified),
    "improved_kinetic": (0.05, LANDSCAPE, modified),
}


SLOW = pytest.param("improved", marks=pytest.mark.slow)  # its steps are short


@pytest.mark.parametrize("method", ["langevin", SLOW, "improved_kinetic"])
def test_each_method_samples_its_law(method):
    law = LAWS[method][2]
    x, state = sampled(method)
    density = cdf(law())
    assert stats.kstest(x, density).pvalue > 0.001
    weights = np.gradient(density(GRID), GRID)
    mean = np.trapezoid(weights * GRID, GRID)
    variance = np.trapezoid(weights * (GRID - mean) ** 2, GRID)
    # Four standard errors, of the mean and about that of the variance.
    assert abs(x.mean() - mean) < 4 * np.sqrt(variance / CHAINS)
    assert abs(x.var() - variance) < 0.06 * variance + 0.02
    if "kinetic" in method:
        y = np.asarray(state.y[:, 0]) / np.sqrt(T)
        assert stats.kstest(y, "norm").pvalue > 0.001


def test_the_logarithm_of_h_is_part_of_the_law():
    """exp(−H) without it, and the plain law, are refused by the same test."""
    x, _ = sampled("improved_kinetic")
    assert stats.kstest(x, cdf(modified(logarithm=False))).pvalue < 1e-6
    assert stats.kstest(x, cdf(-U / T)).pvalue < 1e-6


def test_a_fixed_eps_has_a_law_of_its_own():
    x, _ = sample("improved_kinetic", 0.05, eps=1.0, **LANDSCAPE)
    assert stats.kstest(x, cdf(modified(eps=1.0))).pvalue > 0.001
    assert stats.kstest(x, cdf(modified())).pvalue < 1e-6


def test_one_step_of_each_method_by_hand():
    key, x, dt = jax.random.key(5), 0.7, 0.1
    words = _noise.words(key)
    noise = float(_noise.normal(words, jnp.int32(0), 1, 1, jnp.float32)[0, 0])
    g = lambda x: 4 * x * (x * x - 1) + 0.3
    u = lambda x: (x * x - 1) ** 2 + 0.3 * x
    f = lambda x: float(F(jnp.float32(u(x) - C)))
    slope = lambda x: float(jax.grad(lambda u: F(u))(jnp.float32(u(x) - C)))

    def step(method, **options):
        state = annealing.anneal(
            energy, jnp.array([[x]]), key, method=method, steps=1, step_size=dt,
            temperature=T, **options,
        ).state  # fmt: skip
        return [float(v[0, 0]) for v in (state.x, state.y) if v is not None]

    def baoab(force):
        decay = np.exp(-dt / T)
        y1 = force(x) * dt / 2
        y2 = decay * y1 + np.sqrt(T * (1 - decay**2)) * noise
        new = x + (y1 + y2) * dt / 2
        return new, y2 + force(new) * dt / 2

    def modified(x):
        return -T * (1 + slope(x)) * g(x) / (f(x) + 0.3)

    for result, expected in (
        (step("langevin"), [x - g(x) * dt + np.sqrt(2 * T * dt) * noise]),
        (
            step("improved", **LANDSCAPE),
            [x - g(x) * dt + np.sqrt(2 * (f(x) + T) * dt) * noise],
        ),
        (step("kinetic"), baoab(lambda x: -g(x))),
        (step("improved_kinetic", eps=0.3, **LANDSCAPE), baoab(modified)),
    ):
        np.testing.assert_allclose(result, expected, rtol=2e-5)
