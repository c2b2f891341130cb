"""What optax asks of every transformation (contrib/_common_test, _sharding_test)."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.annealing import objectives
from landmod_jax import annealing

KEY = 3
MAKERS = {
    "langevin_noise": functools.partial(annealing.langevin_noise, 0.1, 1e-3),
    "kinetic_langevin": functools.partial(annealing.kinetic_langevin, 0.1, 1e-3),
}
EACH = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def types(tree):
    return jax.tree.map(jax.typeof, tree)


@EACH
def test_extra_arguments_and_no_second_compilation(make):
    tx = make(KEY)
    traced = []

    @jax.jit
    def step(params, state):
        traced.append(None)
        grads = 2 * params
        updates, state = tx.update(grads, state, params, value=1.0, unexpected=1)
        return optax.apply_updates(params, updates), state

    params = jnp.ones(2)
    state = tx.init(params)
    for _ in range(3):
        params, state = step(params, state)
    assert len(traced) == 1
    assert np.isfinite(params).all()


@EACH
def test_map_params_and_abstract_parameters(make):
    tx = make(KEY)
    state = tx.init(jnp.ones((2, 3)))
    optax.tree.map_params(tx, lambda v: v, state)
    abstract = tx.init(jax.ShapeDtypeStruct((2, 4, 8), jnp.float32))
    assert abstract is not None


@EACH
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64])
@pytest.mark.promotes
def test_dtypes_and_state_are_stable_under_cond_and_multisteps(make, dtype):
    with jax.enable_x64(dtype == jnp.float64):
        params = jnp.array([1.0, 2.0], dtype)
        tx = make(KEY)
        state = jax.jit(tx.init)(params)
        updates, new = jax.lax.cond(
            params[0] > 0,
            lambda: tx.update(params, state, params),
            lambda: (params, state),
        )
        assert updates.dtype == dtype
        assert types(new) == types(state)
        steps = optax.MultiSteps(tx, 4)
        updates, _ = jax.jit(steps.update)(params, jax.jit(steps.init)(params), params)
        np.testing.assert_array_equal(updates, jnp.zeros_like(params))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("key", [KEY, jax.random.key(KEY)])
def test_inject_hyperparams_under_jit(name, key):
    maker = getattr(annealing, name)
    names = list(inspect.signature(maker).parameters)
    arguments = dict(zip(names, (0.1, 1e-3, key)))
    params = [-jnp.ones((2, 3)), jnp.ones(4)]
    plain, injected = maker(**arguments), optax.inject_hyperparams(maker)(**arguments)
    expected, _ = jax.jit(plain.update)(params, plain.init(params), params)
    found, state = jax.jit(injected.update)(params, jax.jit(injected.init)(params))
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    state.hyperparams[names[1]] = jnp.float32(5.0)
    hot, _ = jax.jit(injected.update)(params, state)
    assert np.abs(hot[0]).max() > 10 * np.abs(expected[0]).max() or name != "langevin"


@EACH
def test_state_keeps_its_sharding_with_explicit_axes(make):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        params = jnp.zeros(
            (2, 8, 4),
            jnp.float16,
            out_sharding=jax.NamedSharding(mesh, jax.P(None, "x")),
        )
        tx = make(KEY)
        state = tx.init(params)
        assert types(jax.jit(tx.init)(params)) == types(state)
        updates, new = tx.update(params, state, params)
        assert types(new) == types(state)
        assert types(updates) == types(params)
        assert types(jax.jit(tx.update)(params, state, params)) == types((updates, new))


@EACH
@pytest.mark.parametrize("typed", [True, False])
def test_a_donated_state_leaves_the_key_to_its_owner(make, typed):
    key = jax.random.key(1) if typed else jax.random.PRNGKey(1)
    tx = make(key)
    update = jax.jit(tx.update, donate_argnums=1)
    params = jnp.ones(3)
    first, _ = update(params, tx.init(params))
    again, _ = update(params, tx.init(params))
    np.testing.assert_array_equal(first, again)
    assert not jax.random.split(key).is_deleted()


@pytest.mark.parametrize("name", MAKERS)
def test_numbers_may_be_mapped(name):
    maker = getattr(annealing, name)
    params = jnp.ones(3)

    def update(rate, T):
        tx = maker(rate, T, KEY)
        return tx.update(params, tx.init(params))[0]

    rates, Ts = jnp.array([0.1, 0.2]), jnp.array([0.5, 0.3])
    mapped = jax.vmap(update)(rates, Ts)
    for i in range(2):
        alone = update(float(rates[i]), float(Ts[i]))
        np.testing.assert_allclose(mapped[i], alone, rtol=1e-5)


ANNEAL = functools.partial(
    annealing.anneal, objectives.rastrigin(2), jnp.ones((3, 2)),
    jax.random.key(0), method="improved_kinetic", steps=5, records=0,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "run",
    [
        lambda v: ANNEAL(step_size=v / 10, temperature=1.0),
        lambda v: ANNEAL(step_size=0.01, temperature=v),
        lambda v: ANNEAL(step_size=0.01, temperature=1.0, eps=v),
        lambda v: ANNEAL(step_size=0.01, temperature=annealing.logarithmic(v)),
        lambda v: ANNEAL(step_size=0.01, temperature=annealing.logarithmic(1.0, 1 + v)),
        lambda v: ANNEAL(step_size=0.01, temperature=annealing.geometric(v, 0.1, 4)),
        lambda v: ANNEAL(step_size=0.01, temperature=1.0, bounds=(-1 - v, 1 + v)),
    ],
)
def test_numbers_of_anneal_may_be_mapped(run):
    values = jnp.array([0.3, 0.7])
    mapped = jax.vmap(run)(values)
    for i in range(2):
        alone = run(float(values[i]))
        for a, b in zip(jax.tree.leaves(mapped), jax.tree.leaves(alone)):
            np.testing.assert_allclose(a[i], b, rtol=1e-3, atol=1e-4)
