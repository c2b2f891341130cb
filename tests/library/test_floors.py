"""Schedules that end at 0, or just below it under jit, neither ascend nor give NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

FLOOR = np.sqrt(np.finfo(np.float32).tiny)  # what the documentation promises
TO_ZERO = optax.linear_schedule(1.0, 0.0, 10)


def test_the_schedule_ends_below_0_under_jit():
    """Why a floor is needed; where XLA rounds otherwise, the tests below are weaker."""
    assert -1e-6 < jax.jit(TO_ZERO)(12) <= 0


@pytest.mark.parametrize("eps", [TO_ZERO, lambda step: -1.0, 1e-50, 1e-30])
@pytest.mark.parametrize("f", ["linear", "sqrt"])
def test_eps_is_held_at_its_floor(f, eps):
    tx = lm.landscape_modify(f, eps)
    update = jax.jit(lambda s, value: tx.update(jnp.ones(2), s, value=value))
    state = tx.init(0.0)
    for step in range(13):  # a new minimum each time: the scale is 1 / eps
        updates, state = update(state, -float(step))
    np.testing.assert_allclose(state.scale, 1 / FLOOR, rtol=1e-6)
    assert (updates > 0).all()
    assert np.isfinite(np.square(updates)).all()  # as Adam takes it


def test_a_traced_eps_is_held_too_and_so_is_that_of_the_landscape():
    update = lambda eps: lm.landscape_modify(eps=eps).update(
        1.0, lm.landscape_modify().init(0.0), value=0.0
    )
    scales = jax.jit(jax.vmap(lambda eps: update(eps)[0]))(jnp.array([-1.0, 0.0, 0.5]))
    np.testing.assert_allclose(scales, [1 / FLOOR, 1 / FLOOR, 2], rtol=1e-6)
    slope = jax.grad(lambda u: lm.landscape(u, 1.0, 1e-50, u_min=0.0))(0.5)
    np.testing.assert_allclose(slope, 1 / FLOOR, rtol=1e-6)


def test_an_ordinary_eps_is_untouched():
    for eps in (1.0, 0.1, 1e-12):
        _, state = lm.landscape_modify(eps=eps).update(
            1.0, lm.landscape_modify().init(0.0), value=0.0
        )
        assert state.scale == 1 / np.float32(eps)


@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad", "rmsprop"])
@pytest.mark.parametrize("injected", [False, True])
@pytest.mark.promotes
def test_a_learning_rate_is_held_at_0(name, injected):
    make = getattr(lm.torch_optim, name)
    tx = (optax.inject_hyperparams(make) if injected else make)(lr=TO_ZERO)
    update, w = jax.jit(tx.update), jnp.ones(2)
    state = tx.init(w)
    for step in range(13):
        updates, state = update(w, state, w)
        assert (updates < 0).all() if step < 10 else (updates == 0).all()
