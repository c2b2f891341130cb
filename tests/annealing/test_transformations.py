"""`langevin_noise` and `kinetic_langevin`: their laws, and optax's contract."""

import functools
import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm
from landmod_jax import annealing

KEY = 3
TO_ZERO = optax.linear_schedule(1.0, 0.0, 10)  # jitted, it ends at −1.5e-8
MAKERS = {
    "langevin_noise": functools.partial(annealing.langevin_noise, 0.1, 1e-3),
    "kinetic_langevin": functools.partial(annealing.kinetic_langevin, 0.1, 1e-3),
}
BOTH = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def types(tree):
    return jax.tree.map(jax.typeof, tree)


# --- what they do ---


def test_langevin_noise_behind_sgd_is_2_4():
    eta, T = 0.1, 0.3
    params = jnp.zeros(20_000)
    tx = optax.chain(optax.sgd(eta), annealing.langevin_noise(eta, T, key=0))
    updates, _ = tx.update(jnp.ones_like(params), tx.init(params))
    assert abs(float(updates.mean()) + eta) < 5 * np.sqrt(2 * T * eta / params.size)
    np.testing.assert_allclose(updates.std(), np.sqrt(2 * T * eta), rtol=0.03)


@pytest.mark.parametrize("modify", [False, True])
def test_they_sample_as_they_say(modify):
    """exp(−U/T) for a bowl U = x²/2 in 4,000 coordinates."""
    T, steps = 0.4, 400
    ahead = (lm.landscape_modify(threshold=lm.constant(jnp.inf)),) if modify else ()
    noisy = optax.sgd(0.02), annealing.langevin_noise(0.02, T, 0)
    for tx in (
        optax.chain(*ahead, *noisy),
        optax.chain(*ahead, annealing.kinetic_langevin(0.1, T, 0)),
    ):

        def step(carry, _, tx=tx):
            x, state = carry
            updates, state = tx.update(x, state, x, value=jnp.float32(1))
            return (x + updates, state), None

        x = jnp.zeros(4000)
        (x, _), _ = jax.lax.scan(step, (x, tx.init(x)), None, steps)
        np.testing.assert_allclose(x.var(), T, rtol=0.1)
        assert abs(float(x.mean())) < 5 * np.sqrt(T / 4000)


def test_kinetic_langevin_is_baoab():
    """Kick, drift, friction and noise, drift, kick: in NumPy, given its noise."""
    key, dt, T = jax.random.key(5), 0.1, annealing.geometric(1.0, 0.3, 5)
    tx = annealing.kinetic_langevin(dt, T, key)
    x = params = np.array([0.7, 0.2, -0.4], np.float32)
    state, y = tx.init(params), np.zeros(3)
    for step in range(5):
        updates, state = tx.update(4 * params * (params**2 - 1), state)
        params = np.asarray(params + updates)
        (draw,) = jax.random.split(jax.random.fold_in(key, step), 1)
        decay = np.exp(-dt / float(T(step)))
        spread = np.sqrt(float(T(step)) * (1 - decay**2))
        y = y - 4 * x * (x**2 - 1) * dt / 2
        x = x + y * dt / 2
        y = decay * y + spread * np.asarray(jax.random.normal(draw, (3,)))
        x = x + y * dt / 2
        y = y - 4 * x * (x**2 - 1) * dt / 2
        np.testing.assert_allclose(params, x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("dt", "T", "drift"), [(1e-2, 1.0, 1e-2), (0.1, 1e-6, 5e-3)])
def test_the_drift_of_kinetic_langevin(dt, T, drift):
    tx = annealing.kinetic_langevin(dt, T, 0)

    def step(state, _):
        updates, state = tx.update(jnp.ones(4000), state)
        return state, updates.mean()

    _, means = jax.lax.scan(step, tx.init(jnp.ones(4000)), None, round(10 * T / dt) + 9)
    np.testing.assert_allclose(-means[-1], drift, rtol=0.05)


@BOTH
def test_they_keep_dtypes_and_leave_integers(make):
    params = {"half": jnp.ones(3, jnp.bfloat16), "whole": jnp.arange(3)}
    tx = make(KEY)
    state = tx.init(params)
    updates, new = tx.update(params, state)
    assert updates["half"].dtype == jnp.bfloat16
    np.testing.assert_array_equal(updates["whole"], params["whole"])
    chex.assert_trees_all_equal_shapes_and_dtypes(state, new)
    again, _ = tx.update(params, new)
    assert (again["half"] != updates["half"]).any()


# --- temperatures and rates that end at 0 ---


@pytest.mark.parametrize(
    ("make", "rate"),
    [
        (lambda rate, T: annealing.langevin_noise(rate, T, 0), 0.1),
        (lambda rate, T: annealing.langevin_noise(rate, T, 0), TO_ZERO),
        (lambda rate, T: annealing.kinetic_langevin(rate, T, 0), 0.1),
        (lambda rate, T: annealing.kinetic_langevin(rate, T, 0), TO_ZERO),
    ],
)
@pytest.mark.parametrize("T", [TO_ZERO, lambda t: 0.5 - t, 0.3])
@pytest.mark.promotes
def test_a_schedule_to_zero_is_held_there(make, rate, T):
    tx = make(rate, T)
    x = jnp.ones(2)
    state = tx.init(x)
    update = jax.jit(tx.update)
    for _ in range(14):
        updates, state = update(x, state, x)
        x = x + updates
    assert np.isfinite(x).all()
    if T is TO_ZERO and rate == 0.1:
        # No noise is left: the same gradient gives the same update again.
        a, state = update(x, state, x)
        b, _ = update(x, state, x)
        np.testing.assert_array_equal(a, b)
    if rate is TO_ZERO and T == 0.3:
        np.testing.assert_array_equal(np.abs(update(0 * x, state, x)[0]), 0)


# --- optax's contract (contrib/_common_test, _sharding_test) ---


@BOTH
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


@BOTH
def test_map_params_and_abstract_parameters(make):
    tx = make(KEY)
    state = tx.init(jnp.ones((2, 3)))
    optax.tree.map_params(tx, lambda v: v, state)
    abstract = tx.init(jax.ShapeDtypeStruct((2, 4, 8), jnp.float32))
    assert abstract is not None


@BOTH
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
    updates, state = jax.jit(injected.update)(params, jax.jit(injected.init)(params))
    for a, b in zip(updates, expected):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    state.hyperparams[names[1]] = jnp.float32(5.0)
    hot, _ = jax.jit(injected.update)(params, state)
    assert np.abs(hot[0] - expected[0]).max() > 0.01


@BOTH
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


@BOTH
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


@BOTH
def test_they_work_without_jit_and_without_rank_promotion(make):
    tx = make(KEY)
    with jax.disable_jit(), jax.numpy_rank_promotion("raise"):
        updates, _ = tx.update(jnp.ones((2, 3)), tx.init(jnp.ones((2, 3))))
    assert np.isfinite(updates).all()


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


@pytest.mark.parametrize("T", [0.0, 0.3])
@pytest.mark.parametrize("name", MAKERS)
def test_derivatives_through_the_update(name, T):
    maker = getattr(annealing, name)

    def last(rate, T):
        tx = maker(rate, lambda t: T, 0)
        x = jnp.ones(3)
        state = tx.init(x)
        for _ in range(3):
            updates, state = tx.update(x, state)
            x = x + updates
        return (x**2).sum()

    with jax.enable_x64(True):
        h = 1e-6
        near = (last(0.1 + h, T) - last(0.1 - h, T)) / (2 * h)
        np.testing.assert_allclose(jax.grad(last)(0.1, T), near, rtol=1e-4)
        in_T = jax.grad(last, argnums=1)(0.1, T)
        assert np.isfinite(in_T)
        if T:
            near = (last(0.1, T + h) - last(0.1, T - h)) / (2 * h)
            np.testing.assert_allclose(in_T, near, rtol=1e-4)
