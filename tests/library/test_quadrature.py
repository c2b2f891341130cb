"""H of shapes without a closed form, against exact integrals and SciPy's."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

import landmod_jax as lm

WAVY = lm.Shape("wavy", lambda u: u + jnp.sin(u))  # the example of Shape


def by_scipy(f, height, eps):
    edges = np.concatenate([[0], np.geomspace(1e-9, 1, 60) * height])
    return sum(
        integrate.quad(lambda v: 1 / (f(v) + eps), a, b, epsabs=0, epsrel=1e-11)[0]
        for a, b in itertools.pairwise(edges)
    )


CASES = {
    # f, height, eps, the integral
    "wavy far": (WAVY, 100.0, 0.1, by_scipy(lambda v: v + np.sin(v), 100, 0.1)),
    "step": (lambda u: jnp.where(u > 1, 10.0, 0.0), 3.0, 1.0, 1 + 2 / 11),
    "steep": (lambda u: 1e4 * u, 1e6, 1e-8, np.log1p(1e18) / 1e4),
}


@pytest.mark.parametrize("name", CASES)
def test_seven_digits_for_any_shape(name):
    f, height, eps, expected = CASES[name]
    with jax.enable_x64(True):
        h = lm.landscape(jnp.float64(height), 0.0, eps, f, 0.0)
        np.testing.assert_allclose(h, expected, rtol=1e-7)
    h = lm.landscape(jnp.float32(height), 0.0, eps, f, 0.0)
    assert h.dtype == jnp.float32
    np.testing.assert_allclose(h, expected, rtol=2e-6)


def test_a_height_needs_no_other_height():
    """However many panels another element needs, the bits stay."""
    u = jnp.array([0.5, 100.0])
    together = lm.landscape(u, 0.0, 0.1, WAVY, 0.0)
    alone = [lm.landscape(x, 0.0, 0.1, WAVY, 0.0) for x in u]
    np.testing.assert_array_equal(together, alone)


def test_a_shape_is_traced_once_for_all_panels():
    calls = []
    jax.jit(lambda u: lm.landscape(u, 0.0, 1.0, lambda v: calls.append(1) or v, 0.0))(
        jnp.ones(3)
    )
    assert len(calls) < 20
