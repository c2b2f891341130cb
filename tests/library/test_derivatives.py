"""First and second derivatives through the update and H, against difference quotients.

In float64, where a central quotient of step 1e-5 is right to about ten digits.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm

SHAPES = {
    "sqrt": lm.SHAPES["sqrt"],
    "bounded(2, 0.5)": lm.bounded(2.0, 0.5),
    "own": lambda u: u**0.25 + jnp.sin(u) ** 2,
}
C, EPS, U_MIN = 1.0, 0.5, 0.0
STEP = 1e-5


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def quotients(f, x):
    """d f / d x[i] for each i, x a vector, f of any shape."""
    steps = STEP * np.eye(len(x))
    columns = [(f(x + step) - f(x - step)) / (2 * STEP) for step in steps]
    return np.stack(columns, axis=-1)


def assert_derivatives(f, points, first=2e-6, second=2e-6):
    f, gradient, hessian = map(jax.jit, (f, jax.grad(f), jax.hessian(f)))
    for x in map(np.array, points):
        np.testing.assert_allclose(gradient(x), quotients(f, x), first, 1e-8)
        np.testing.assert_allclose(hessian(x), quotients(gradient, x), second, 1e-8)


@pytest.mark.parametrize("name", SHAPES)
def test_h_in_u_c_eps_and_u_min(name):
    def h(x):
        return lm.landscape(x[0], x[1], x[2], SHAPES[name], x[3], logarithm=True)

    # The first is below c.
    assert_derivatives(h, [[u, C, EPS, U_MIN] for u in (0.25, 6.0)])


def test_h_at_the_threshold_has_the_derivatives_from_below():
    for f in (SHAPES["sqrt"], SHAPES["own"]):
        h = lambda u, f=f: lm.landscape(u, C, EPS, f, U_MIN, logarithm=True)
        first = jax.grad(h)
        assert jax.jit(first)(C) == 1 / EPS
        assert jax.jit(jax.grad(first))(C) == 0


@pytest.mark.promotes
def test_h_in_the_parameters_of_its_shape():
    h = lambda x: lm.landscape(x[0], C, EPS, lm.bounded(x[1], 2 * x[1]), U_MIN)
    assert_derivatives(h, [[0.25, 0.7], [2.0, 0.7]])


def test_the_scale_in_value_c_and_eps():
    def scale(x):
        value, c, eps = x
        tx = lm.landscape_modify("sqrt", eps, threshold=lm.constant(c))
        return tx.update(1.0, tx.init(0.0), value=value)[0]

    assert_derivatives(scale, [[value, C, EPS] for value in (0.25, 1.75)])
    at_c = np.array([C, C, EPS])
    expected = quotients(jax.jit(scale), at_c)[2]
    np.testing.assert_allclose(jax.grad(scale)(at_c), [0, 0, expected], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_loss_that_is_not_finite_has_the_derivative_0(bad):
    """Also through a threshold whose own derivative is infinite or NaN there."""
    own = lm.Threshold(
        init=lambda dtype: jnp.ones((), dtype),
        update=lambda state, value: (jnp.log(jnp.abs(value)), state * value),
    )
    for threshold in (lm.smoothed_min(0.5), own):
        tx = lm.landscape_modify("sqrt", threshold=threshold)

        def update(value, tx=tx):
            updates, state = tx.update(1.0, tx.init(0.0), value=value)
            return updates + tx.update(1.0, state, value=2.0)[0]

        assert jax.jit(jax.grad(update))(bad) == 0


def test_the_accumulated_step_in_the_loss():
    def update(x, tx):
        state = tx.init(0.0)
        for i in range(2):
            updates, state = tx.update(1.0 + x[i], state, value=x[i])
        return updates

    tx = lm.accumulate(lm.landscape_modify("sqrt", threshold=lm.constant(1.0)), 2)
    f, x = jax.jit(functools.partial(update, tx=tx)), np.array([2.0, 5.0])
    np.testing.assert_allclose(jax.grad(f)(x), quotients(f, x), rtol=1e-6)


@pytest.mark.promotes
def test_at_the_threshold_mixed_derivatives_are_from_below_too():
    """There H is (u − u_min) / ε, whatever the shape's parameter is."""
    h = lambda u, p: lm.landscape(u, C, EPS, lm.power(p), U_MIN)
    in_both = jax.grad(jax.grad(h, argnums=1), argnums=0)
    assert jax.jit(in_both)(C, 0.7) == 0
