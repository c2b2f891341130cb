"""Sentences of the pages that follow from formulas, tried out."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from landmod_jax import landscape, landscape_modify, torch_optim


@pytest.mark.parametrize(("arm", "settles"), [("plain", 4 / 3), ("lm", 0.24)])
def test_where_training_on_three_batches_settles(arm, settles):
    """docs/how-it-works.md: the losses (x − a)²/2 with a = 0, 0 and 4."""
    tx = optax.sgd(0.01)
    if arm == "lm":
        tx = optax.chain(landscape_modify(), tx)
    optima = jnp.array([0.0, 0.0, 4.0])
    batches = jax.random.choice(jax.random.key(0), optima, (40_000,))

    def step(carry, a):
        x, state = carry
        loss, grad = jax.value_and_grad(lambda x: (x - a) ** 2 / 2)(x)
        updates, state = optax.with_extra_args_support(tx).update(
            grad, state, x, value=loss
        )
        return (x + updates, state), x

    start = jnp.float32(4.0)
    _, path = jax.lax.scan(step, (start, tx.init(start)), batches)
    assert path[10_000:].mean() == pytest.approx(settles, abs=0.03)


@pytest.mark.parametrize(("optimizer", "rates"), [("rmsprop", 10.0), ("adagrad", 1.0)])
def test_the_first_step_in_learning_rates(optimizer, rates):
    """docs/stability.md: its length does not depend on the gradient."""
    tx = getattr(torch_optim, optimizer)(0.1)
    gradient = jnp.array([30.0, -0.5])
    step, _ = tx.update(gradient, tx.init(gradient), gradient)
    np.testing.assert_allclose(step, 0.1 * rates * -jnp.sign(gradient), rtol=1e-5)


@pytest.mark.parametrize("f", ["linear", "bounded"])
def test_h_rises_nowhere_faster_than_u_if_eps_is_at_least_1(f):
    """docs/how-it-works.md; with ε < 1 it does, just above c."""
    u = jnp.linspace(0.01, 4.0, 50)

    def slope(eps):
        return jax.vmap(jax.grad(lambda u: landscape(u, 0.0, eps, f, u_min=0.0)))(u)

    assert (slope(1.0) <= 1).all()
    assert slope(0.1).max() > 1
