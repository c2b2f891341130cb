"""Schedules that end at 0, bounds, JAX's settings, derivatives, devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import optimize

import landmod_jax as lm
from experiments.annealing import objectives
from landmod_jax import annealing
from landmod_jax.annealing import _compiled

KEY = jax.random.key(0)
TO_ZERO = optax.linear_schedule(1.0, 0.0, 10)  # jitted, it ends at −1.5e-8
U = objectives.rastrigin(2)


def behind_sgd(rate, T):
    return optax.chain(optax.sgd(0.1), annealing.langevin_noise(rate, T, 0))


def test_the_schedule_does_end_below_zero():
    assert jax.jit(TO_ZERO)(12) <= 0


@pytest.mark.parametrize(
    ("make", "rate"),
    [
        (behind_sgd, 0.1),
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


@pytest.mark.parametrize("scheme", [None, "euler"])
@pytest.mark.parametrize("method", list(annealing.METHODS))
@pytest.mark.promotes
def test_anneal_at_a_temperature_that_ends_at_zero(method, scheme):
    if scheme and "kinetic" in method:
        pytest.skip("Euler's scheme diverges where step_size > 2T, as documented")
    x = U.sample(KEY, 4)
    result = annealing.anneal(
        U, x, KEY, method=method, steps=20, step_size=1e-3, temperature=TO_ZERO,
        scheme=scheme,
    )  # fmt: skip
    assert result.state.died.tolist() == [-1] * 4
    assert np.isfinite(result.state.x).all()
    if method == "langevin":  # plain descent from step 10 on
        expected = result.trajectory.x[10]
        for _ in range(9):
            expected = expected - 1e-3 * jax.vmap(jax.grad(U.function))(expected)
        np.testing.assert_allclose(result.state.x, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("x", [1.0, 2.5, float("nan")])
def test_nan_temperatures_stay_visible(x):
    result = annealing.anneal(
        U, jnp.ones((2, 2)), KEY, method="langevin", steps=3, step_size=1e-3,
        temperature=lambda t: jnp.where(t == 1, x, 1.0),
    )  # fmt: skip
    assert bool(result.state.alive.all()) == np.isfinite(x)


@pytest.mark.parametrize("constant", [1.0, np.float32(1)])
def test_an_energy_may_return_a_number_of_python_or_numpy(constant):
    x, energy = jnp.ones((3, 2)), lambda x: constant
    runs = (
        annealing.metropolis(energy, lambda key, x: -x, x, KEY, steps=2, temperature=1),
        annealing.anneal(energy, x, KEY, steps=2, step_size=0.1, temperature=1),
    )
    for result in runs:
        np.testing.assert_array_equal(result.best_value, np.ones(3, np.float32))


def test_an_energy_may_be_wider_than_the_points():
    with jax.enable_x64(True):
        x = jnp.ones((3, 2), jnp.float32)
        result = annealing.anneal(
            lambda x: (x.astype(jnp.float64) ** 2).sum(), x, KEY, steps=2,
            step_size=0.1, temperature=1.0,
        )  # fmt: skip
        assert result.best_value.dtype == result.best_x.dtype == jnp.float32
        np.testing.assert_allclose(result.best_value, (result.best_x**2).sum(1), 1e-6)


def test_a_best_point_is_finite():
    """U is finite, and least, at infinity."""
    result = annealing.anneal(
        lambda x: -jnp.arctan(1e-37 * x).sum(), jnp.full((20, 1), 3e38), KEY,
        method="langevin", steps=5, step_size=1e38, temperature=1e38,
    )  # fmt: skip
    assert (result.state.died > 0).any()
    assert np.isfinite(result.best_x).all()


@pytest.mark.parametrize("shared", [False, True])
def test_a_threshold_receives_finite_values_only(shared):
    received = []

    def update(state, value):
        jax.debug.callback(lambda value: received.append(float(value)), value)
        c = jnp.minimum(state, value)
        return c, c

    threshold = lm.Threshold(lambda dtype: jnp.asarray(9.0, dtype), update)
    if shared:
        threshold = lm.population("mean", rule=threshold)
    U = lambda x: jnp.where(x[0] > 1, jnp.nan, -x[0])
    result = annealing.anneal(
        U, jnp.zeros((3, 1)), KEY, method="improved", threshold=threshold, steps=30,
        step_size=0.1, temperature=0.5, records=30,
    )  # fmt: skip
    jax.effects_barrier()
    assert (result.state.died > 0).any()
    assert np.isfinite(received).all()
    if not shared:  # c is the least of the finite values
        least = np.minimum(result.trajectory.value.min(0), 0)
        np.testing.assert_array_equal(result.state.c, least)


# --- bounds as SciPy has them ---


def end(bounds, d):
    x0 = jnp.tile(jnp.array([-4.5, 1.5, 0.0])[:d], (4, 1))
    result = annealing.anneal(
        lambda x: (x**2).sum(), x0, KEY, method="langevin", steps=30, step_size=0.1,
        temperature=3.0, bounds=bounds, records=0,
    )  # fmt: skip
    return np.asarray(result.state.x)


@pytest.mark.parametrize(
    ("d", "pairs"),
    [
        (1, [(-5, -4)]),
        (1, [(-5, None)]),
        (2, [(-5, 2), (-5, 2)]),
        (2, [(-5, -4), (-4, 2)]),  # the same box in both readings
        (2, [(-5, None), (1, 2)]),
        (2, np.array([[-5.0, 3.0], [1.0, 2.0]])),
        (3, [(-5, -4), (1, 2), (-1, 1)]),
        (3, np.array([[-5, -4], [1, 2], [-1, 1]])),
    ],
)
def test_bounds_may_be_pairs_or_an_object_of_scipy(d, pairs):
    low, high = (
        [limit if value is None else value for value in side]
        for side, limit in zip(zip(*pairs), (-np.inf, np.inf))
    )
    expected = end((jnp.array(low, float), jnp.array(high, float)), d)
    assert (expected >= np.array(low)).all()
    assert (expected <= np.array(high)).all()
    np.testing.assert_array_equal(end(pairs, d), expected)
    np.testing.assert_array_equal(end(optimize.Bounds(low, high), d), expected)


def test_bounds_with_two_readings_are_refused():
    for bounds in (
        [(-5, -4), (1, 2)],
        ([-5, -4], [1, 2]),
        np.array([[-5, -4], [1, 2]]),
    ):
        with pytest.raises(ValueError, match="bounds of two coordinates must not fit"):
            end(bounds, 2)
    x = end((np.array([-5, -4]), np.array([1, 2])), 2)
    assert (x >= np.array([-5, -4])).all()
    assert (x <= np.array([1, 2])).all()


# --- JAX's settings ---


@pytest.mark.parametrize("method", ["improved", "improved_kinetic"])
def test_anneal_works_without_jit_and_without_rank_promotion(method):
    def run():
        return annealing.anneal(
            U, jnp.ones((3, 2)), KEY, method=method, steps=3, step_size=1e-3,
            temperature=0.5, bounds=(-2.0, jnp.array([2.0, 3.0])), records=2,
        ).trajectory.x  # fmt: skip

    expected = run()
    with jax.disable_jit():
        np.testing.assert_allclose(run(), expected, rtol=1e-5)
    _compiled._programs.clear()
    with jax.numpy_rank_promotion("raise"):
        np.testing.assert_array_equal(run(), expected)


@pytest.mark.parametrize("make", [annealing.langevin_noise, annealing.kinetic_langevin])
def test_transformations_work_without_jit_and_without_rank_promotion(make):
    tx = make(0.1, 0.1, 0)
    with jax.disable_jit(), jax.numpy_rank_promotion("raise"):
        updates, _ = tx.update(jnp.ones((2, 3)), tx.init(jnp.ones((2, 3))))
    assert np.isfinite(updates).all()


# --- derivatives ---


@pytest.mark.parametrize("T", [0.0, 0.3])
@pytest.mark.parametrize("name", ["langevin_noise", "kinetic_langevin"])
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
        found = jax.grad(last)(0.1, T)
        h = 1e-6
        near = (last(0.1 + h, T) - last(0.1 - h, T)) / (2 * h)
        np.testing.assert_allclose(found, near, rtol=1e-4)
        in_T = jax.grad(last, argnums=1)(0.1, T)
        assert np.isfinite(in_T)
        if T:
            near = (last(0.1, T + h) - last(0.1, T - h)) / (2 * h)
            np.testing.assert_allclose(in_T, near, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("T", [0.0, 0.5])
@pytest.mark.parametrize("f", ["bounded", "linear", "sqrt"])
def test_forward_derivatives_through_anneal(f, T):
    def end(a):
        return annealing.anneal(
            jax.tree_util.Partial(lambda a, x: a * (x**2).sum(), a),
            jnp.array([[0.7], [1.2]]), KEY, method="improved", steps=4, step_size=0.05,
            temperature=lambda t: T, f=f, records=0,
        ).state.x.sum()  # fmt: skip

    with jax.enable_x64(True):
        found = jax.jvp(end, (jnp.float64(1.0),), (jnp.float64(1.0),))[1]
        h = 1e-6
        near = (end(jnp.float64(1 + h)) - end(jnp.float64(1 - h))) / (2 * h)
    assert np.isfinite(found)
    np.testing.assert_allclose(found, near, rtol=1e-4, atol=1e-6)


def test_reverse_mode_is_an_error():
    def best(x):
        return annealing.anneal(
            U, x, KEY, method="langevin", steps=4, step_size=1e-3, temperature=0.1
        ).best_value.sum()

    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        jax.grad(best)(jnp.ones((2, 2)))


# --- devices ---


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
@pytest.mark.parametrize("options", [
    {"method": "improved", "threshold": lm.windowed_min(3)},
    pytest.param({"method": "langevin"}, marks=pytest.mark.slow),
    pytest.param({"method": "improved"}, marks=pytest.mark.slow),
    pytest.param({"method": "improved_kinetic"}, marks=pytest.mark.slow),
    *(
        pytest.param({"method": "improved", "threshold": c}, marks=pytest.mark.slow)
        for c in (lm.smoothed_min(), lm.constant(0.3))
    ),
])  # fmt: skip
def test_chains_over_devices_with_each_kind_of_axes(kind, options):
    mesh = jax.make_mesh(
        (2,), ("chains",), axis_types=(getattr(jax.sharding.AxisType, kind),)
    )
    x = U.sample(KEY, 8)
    run = functools.partial(
        annealing.anneal, U, key=KEY, steps=20, step_size=1e-3, temperature=0.5,
        bounds=(U.low, U.high), **options,
    )  # fmt: skip
    spread = run(x0=jax.device_put(x, jax.NamedSharding(mesh, jax.P("chains"))))
    assert len(spread.best_x.sharding.device_set) == 2
    here = run(x0=x)
    np.testing.assert_allclose(spread.state.x, here.state.x, rtol=1e-4, atol=1e-5)
    further = run(x0=spread.state)
    np.testing.assert_allclose(
        further.state.x, run(x0=here.state).state.x, rtol=1e-4, atol=1e-5
    )
