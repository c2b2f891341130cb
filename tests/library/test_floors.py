"""Tiny ε, and schedules of it that end at 0: no NaN, no ascent, no leap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm

FLOOR = np.sqrt(np.finfo(np.float32).tiny)  # what the documentation promises


@pytest.mark.parametrize("eps", [1e-50, lambda step: 1e-30])
def test_a_tiny_eps_is_raised_to_its_floor(eps):
    tx = lm.landscape_modify("sqrt", eps)
    updates, state = jax.jit(lambda s, value: tx.update(jnp.ones(2), s, value=value))(
        tx.init(0.0), 1.0
    )
    np.testing.assert_allclose(state.scale, 1 / FLOOR, rtol=1e-6)
    assert np.isfinite(np.square(updates)).all()  # as Adam takes it


@pytest.mark.parametrize("compiled", [False, True])
def test_a_schedule_of_eps_to_0_stops_there(compiled):
    """Instead of multiplying the gradient by 1e19 at the next new minimum."""
    tx = lm.landscape_modify(
        "sqrt", lambda step: jnp.where(step < 3, 0.5, (3 - step).astype(float))
    )
    update = lambda s, value: tx.update(jnp.ones(2), s, value=value)
    update, state = jax.jit(update) if compiled else update, tx.init(0.0)
    for step in range(6):  # a new minimum each time: the scale is 1 / eps
        updates, state = update(state, -float(step))
        assert (updates == (2 if step < 3 else 0)).all()
        assert state.c == -step
    for bad in (0.0, -1.0, float("nan")):
        tx = lm.landscape_modify("sqrt", lambda step, bad=bad: bad)
        assert tx.update(1.0, tx.init(0.0), value=1.0)[0] == 0


def test_a_traced_eps_as_well_and_the_floor_of_the_landscape():
    update = lambda eps: lm.landscape_modify(eps=eps).update(
        1.0, lm.landscape_modify().init(0.0), value=0.0
    )
    scales = jax.jit(jax.vmap(lambda eps: update(eps)[0]))(jnp.array([-1.0, 0.0, 0.5]))
    np.testing.assert_array_equal(scales, [0, 0, 2])
    slope = jax.grad(lambda u: lm.landscape(u, 1.0, 1e-50, u_min=0.0))(0.5)
    np.testing.assert_allclose(slope, 1 / FLOOR, rtol=1e-6)
