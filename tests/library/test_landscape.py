"""Shapes and H: closed forms, quadrature, gradients, critical heights."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

import landmod_jax as lm

NAMES = list(lm.SHAPES)
F = {
    "linear": lambda u: u,
    "quadratic": lambda u: u * u,
    "sqrt": np.sqrt,
    "cbrt": np.cbrt,
    "bounded": lambda u: u**3 / (1 + u**3),
}


@pytest.mark.parametrize("name", NAMES)
def test_h_against_scipys_quadrature(name):
    eps = 0.05
    u, c, u_min = np.array([-0.5, 0.3, 0.30001, 0.9, 2.0, 10.0]), 0.3, -0.5
    expected = [
        integrate.quad(
            lambda v: 1 / (F[name](max(v - c, 0)) + eps), u_min, x, points=[c]
        )[0]
        if x > c
        else (x - u_min) / eps
        for x in u
    ]
    got = lm.landscape(u, c, eps, name, u_min)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)


def test_a_power_with_a_name_has_its_closed_form():
    for p, name in ((1, "linear"), (2, "quadratic"), (0.5, "sqrt")):
        assert lm.power(p) == lm.SHAPES[name]


@pytest.mark.parametrize("f", ["linear", "bounded", lambda u: 1 + jnp.sin(u)])
def test_the_gradient_of_h_is_2_12(f):
    """Autodiff of H(U(x)) against landscape_modify on ∇U; U(x) = sin x + sin 10x/3."""

    def energy(x):
        return jnp.sin(x) + jnp.sin(10 * x / 3)

    xs = jnp.linspace(-3, 3, 13)
    c, eps = -0.5, 0.3
    of_h = jax.vmap(jax.grad(lambda x: lm.landscape(energy(x), c, eps, f, u_min=-2.0)))(
        xs
    )
    tx = lm.landscape_modify(f, eps, threshold=lm.constant(c))
    values, grads = jax.vmap(jax.value_and_grad(energy))(xs)
    modified = jax.vmap(lambda g, v: tx.update(g, tx.init(g), value=v)[0])(
        grads, values
    )
    np.testing.assert_allclose(of_h, modified, rtol=1e-5, atol=1e-7)


def test_the_logarithmic_term_of_2_9():
    u = jnp.array([0.0, 1.0, 3.0])
    h = lm.landscape(u, 1.0, 0.5, u_min=0.0)
    full = lm.landscape(u, 1.0, 0.5, u_min=0.0, logarithm=True)
    np.testing.assert_allclose(full - h, np.log([0.5, 0.5, 2.5]), rtol=1e-6)


def test_the_bounded_shape_meets_the_conditions_of_the_theory():
    """f(0) = f'(0) = f''(0) = 0, 0 <= f <= bound, rising; and half at its width."""
    f = lm.bounded(2.0, 0.5)
    derivatives = [f, jax.grad(f), jax.grad(jax.grad(f))]
    assert [float(d(0.0)) for d in derivatives] == [0, 0, 0]
    u = jnp.logspace(-6, 30, 50)
    values = f(u)
    assert (np.diff(values) >= 0).all()
    assert values.max() <= 2
    assert values[-1] == 2
    np.testing.assert_allclose(f(jnp.float32(0.5)), 1.0)


def brute_force_critical_height(u, c):
    """One dimension: at each x, the highest point between x and the minimum."""
    u, m = np.asarray(u, float), int(np.argmin(u))
    heights = []
    for x in range(len(u)):
        between = u[min(x, m) : max(x, m) + 1].max()
        heights.append(min(between, c) - min(u[x], c))
    return max(heights)


@pytest.mark.parametrize("c", [np.inf, 0.0])
def test_the_critical_height_by_brute_force(c):
    rng = np.random.default_rng(0)
    for _ in range(4):
        u = rng.standard_normal(30).cumsum()
        np.testing.assert_allclose(
            lm.critical_height(u, c), brute_force_critical_height(u, c)
        )


def test_the_critical_height_in_two_dimensions_takes_the_pass():
    """A wall of height 9 between two valleys, with a pass of height 4."""
    u = np.array([[0.0, 9.0, 1.0], [0.5, 4.0, 1.5], [0.7, 9.0, 2.0]])
    assert lm.critical_height(u) == 3
    assert lm.critical_height(u, c=2.0) == 1
    assert lm.critical_height(np.array([[0.0, 9.0, 1.0]])) == 8
    # Of two global minima, the barrier between them.
    assert lm.critical_height([0.0, 5.0, 0.0]) == 5


def test_the_slope_of_the_bounded_shape_is_right_where_its_two_forms_meet():
    """f′(u) = 3 bound · width³ u² / (width³ + u³)², in the H of (2.9) by 1 + f′."""
    u = jnp.array([0.0, 0.25, 0.5, 1.0, 4.0])
    slope = jax.vmap(jax.grad(lm.bounded(2.0, 0.5)))(u)
    by_hand = 6 * 0.5**3 * u**2 / (0.5**3 + u**3) ** 2
    np.testing.assert_allclose(slope, by_hand, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_closed_forms_keep_their_digits_for_every_eps(name):
    """√u and ∛u are small against a large ε, and the logarithm nearly cancels."""
    u = np.float32([0.0, 1e-6, 1e-3, 0.9, 1.1, 50.0])
    for eps in (1e-6, 1.0, 30.0, 1e20):
        got = lm.landscape(u, 0.0, eps, name)
        edges = np.concatenate([[0], np.geomspace(1e-12, 50, 40)])
        points = np.unique(np.concatenate([edges, np.float64(u)]))
        parts = [
            integrate.quad(lambda v, eps=eps: 1 / (F[name](v) + eps), a, b)[0]
            for a, b in itertools.pairwise(points)
        ]
        whole = dict(zip(points, np.cumsum([0, *parts])))
        expected = [whole[float(x)] for x in u]
        np.testing.assert_allclose(got, expected, rtol=3e-6, err_msg=str(eps))


@pytest.mark.parametrize(
    ("f", "logarithm"), [("sqrt", False), (lambda u: 1 + jnp.sin(u), True)]
)
def test_a_threshold_far_above_everything_changes_nothing(f, logarithm):
    u = jnp.tile(jnp.linspace(-1, 2, 7), (3, 1))
    c = jnp.array([[5.0], [1e8], [jnp.inf]])
    at_0 = 0.5 + (not isinstance(f, str))
    h = lambda u, c: lm.landscape(u, c, 0.5, f, -1.0, logarithm=logarithm)
    expected = (u + 1) / at_0 + logarithm * np.log(at_0)
    np.testing.assert_allclose(h(u, c), expected, rtol=1e-6, atol=1e-6)
    slope, in_c = jax.grad(lambda *x: h(*x).sum(), (0, 1))(u, c)
    np.testing.assert_allclose(slope, jnp.full_like(u, 1 / at_0), rtol=1e-6)
    assert not in_c.any()
