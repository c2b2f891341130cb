"""`langevin_noise`: its law, and optax's contract."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from landmod_jax import annealing

TO_ZERO = optax.linear_schedule(1.0, 0.0, 10)  # jitted, it ends at −1.5e-8
make = functools.partial(annealing.langevin_noise, 0.1, 1e-3)


def types(tree):
    return jax.tree.map(jax.typeof, tree)


def test_behind_sgd_it_is_2_4():
    eta, T = 0.1, 0.3
    params = jnp.zeros(20_000)
    tx = optax.chain(optax.sgd(eta), annealing.langevin_noise(eta, T, key=0))
    updates, _ = tx.update(jnp.ones_like(params), tx.init(params))
    assert abs(float(updates.mean()) + eta) < 5 * np.sqrt(2 * T * eta / params.size)
    np.testing.assert_allclose(updates.std(), np.sqrt(2 * T * eta), rtol=0.03)


def test_dtypes_are_kept_integers_pass_and_steps_differ():
    params = {"half": jnp.ones(3, jnp.bfloat16), "whole": jnp.arange(3)}
    tx = make(3)
    state = tx.init(params)
    updates, new = tx.update(params, state)
    assert updates["half"].dtype == jnp.bfloat16
    np.testing.assert_array_equal(updates["whole"], params["whole"])
    chex.assert_trees_all_equal_shapes_and_dtypes(state, new)
    again, _ = tx.update(params, new)
    assert (again["half"] != updates["half"]).any()


@pytest.mark.parametrize(("rate", "T"), [(0.1, TO_ZERO), (TO_ZERO, 0.3)])
@pytest.mark.promotes
def test_a_schedule_to_zero_is_held_there(rate, T):
    tx = annealing.langevin_noise(rate, T, 0)
    x = jnp.ones(2)
    state = tx.init(x)
    update = jax.jit(tx.update)
    for _ in range(14):
        updates, state = update(x, state, x)
        x = x + updates
    np.testing.assert_array_equal(update(x, state, x)[0], x)  # without noise


@pytest.mark.promotes
def test_optaxs_contract():
    """Extra arguments, abstract parameters, map_params, MultiSteps, one compilation."""
    tx, params, traced = make(3), jnp.ones(2), []
    assert tx.init(jax.ShapeDtypeStruct((2, 4, 8), jnp.float32)) is not None
    optax.tree.map_params(tx, lambda v: v, tx.init(params))

    @jax.jit
    def step(params, state):
        traced.append(None)
        return tx.update(params, state, params, value=1.0, unexpected=1)

    state = tx.init(params)
    for _ in range(2):
        updates, state = step(params, state)
    assert len(traced) == 1
    assert np.isfinite(updates).all()
    steps = optax.MultiSteps(tx, 4)
    updates, _ = steps.update(params, steps.init(params), params)
    np.testing.assert_array_equal(updates, [0, 0])


@pytest.mark.parametrize("key", [3, jax.random.key(3)])
def test_inject_hyperparams_under_jit(key):
    arguments = {"learning_rate": 0.1, "temperature": 1e-3, "key": key}
    params = [-jnp.ones((2, 3)), jnp.ones(4)]
    plain = annealing.langevin_noise(**arguments)
    injected = optax.inject_hyperparams(annealing.langevin_noise)(**arguments)
    expected, _ = jax.jit(plain.update)(params, plain.init(params), params)
    updates, state = jax.jit(injected.update)(params, jax.jit(injected.init)(params))
    chex.assert_trees_all_close(updates, expected, rtol=1e-5)
    state.hyperparams["temperature"] = jnp.float32(5.0)
    hot, _ = jax.jit(injected.update)(params, state)
    assert np.abs(hot[0] - expected[0]).max() > 0.01


def test_the_state_keeps_its_sharding_with_explicit_axes():
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        sharding = jax.NamedSharding(mesh, jax.P(None, "x"))
        params = jnp.zeros((2, 8, 4), jnp.float16, out_sharding=sharding)
        tx = make(3)
        state = tx.init(params)
        updates, new = tx.update(params, state, params)
        assert types(new) == types(state)
        assert types(updates) == types(params)
        assert types(jax.jit(tx.update)(params, state, params)) == types((updates, new))


@pytest.mark.parametrize("typed", [True, False])
def test_a_donated_state_leaves_the_key_to_its_owner(typed):
    key = jax.random.key(1) if typed else jax.random.PRNGKey(1)
    tx, params = make(key), jnp.ones(3)
    update = jax.jit(tx.update, donate_argnums=1)
    first, _ = update(params, tx.init(params))
    again, _ = update(params, tx.init(params))
    np.testing.assert_array_equal(first, again)
    assert not jax.random.split(key).is_deleted()


@pytest.mark.parametrize("T", [0.0, 0.3])
def test_derivatives_through_the_update(T):
    def last(rate, T):
        tx = annealing.langevin_noise(rate, lambda t: T, 0)
        x = jnp.ones(3)
        state = tx.init(x)
        for _ in range(3):
            updates, state = tx.update(x, state)
            x = x + updates
        return (x**2).sum()

    with jax.enable_x64(True):
        h = 1e-6
        near = (last(0.1 + h, T) - last(0.1 - h, T)) / (2 * h)
        in_rate, in_T = jax.grad(last, argnums=(0, 1))(0.1, T)
        np.testing.assert_allclose(in_rate, near, rtol=1e-4)
        if T:
            near = (last(0.1, T + h) - last(0.1, T - h)) / (2 * h)
            np.testing.assert_allclose(in_T, near, rtol=1e-4)
        assert np.isfinite(in_T)
