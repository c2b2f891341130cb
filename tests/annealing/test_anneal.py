"""`anneal` around the laws: resuming, walls, dead chains, cooling, JAX's settings."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import optimize

import landmod_jax as lm
from experiments.annealing import objectives
from landmod_jax import annealing

KEY = jax.random.key(2)
U = objectives.rastrigin(2)
START = U.sample(jax.random.key(1), 4)
TO_ZERO = optax.linear_schedule(1.0, 0.0, 10)  # jitted, it ends at −1.5e-8


def run(method="improved", steps=100, x0=START, energy=U, **options):
    options = {"step_size": 1e-3, "temperature": 1.0} | options
    return annealing.anneal(energy, x0, KEY, method=method, steps=steps, **options)


@pytest.mark.parametrize("method", ["improved", "kinetic"])
def test_a_resumed_run_equals_an_uninterrupted_one(method):
    whole, first = run(method), run(method, steps=37)
    rest = run(method, steps=63, x0=first.state)
    chex.assert_trees_all_equal(rest.state, whole.state)


def test_a_chain_does_not_depend_on_its_neighbors():
    x0, bowl = jnp.ones((4, 3)), lambda x: (x**2).sum()
    many, few = (run(steps=50, x0=x, energy=bowl) for x in (x0, x0[:2]))
    np.testing.assert_allclose(few.state.x, many.state.x[:2], rtol=1e-4, atol=1e-5)


def test_the_best_is_the_best_of_all_points_visited():
    result = run(steps=60, records=60)
    trajectory = result.trajectory
    assert trajectory.x.shape == (60, 4, 2)
    lowest = np.minimum(np.asarray(trajectory.value).min(0), jax.vmap(U)(START))
    np.testing.assert_array_equal(result.best_value, lowest)
    np.testing.assert_allclose(jax.vmap(U)(result.best_x), lowest, rtol=1e-5)
    np.testing.assert_array_equal(result.state.c, lowest)  # the running minimum


# --- walls ---


@pytest.mark.parametrize(
    ("method", "at_bounds"), [("langevin", "clip"), ("kinetic", "reflect")]
)
def test_no_chain_leaves_the_box(method, at_bounds):
    result = run(
        method, 200, jnp.zeros((50, 2)), lambda x: -5 * x.sum(), step_size=0.05,
        bounds=(-1.0, jnp.array([1.0, 2.0])), at_bounds=at_bounds, records=200,
    )  # fmt: skip
    x = np.asarray(result.trajectory.x)
    assert x.min() >= -1
    assert (x.max((0, 1)) <= [1, 2]).all()
    assert (x.max((0, 1)) > [0.99, 1.9]).all()


def test_bounds_may_be_an_object_of_scipy():
    low, high = np.array([-5, -np.inf]), np.array([3.0, 4])
    x0 = jnp.tile(jnp.array([-4.5, 1.5]), (4, 1))
    pair, scipys = (
        run("langevin", 30, x0, step_size=0.1, temperature=3.0, bounds=bounds).state.x
        for bounds in ((low, high), optimize.Bounds(low, high))
    )
    np.testing.assert_array_equal(pair, scipys)
    assert ((low <= pair) & (pair <= high)).all()


# --- values that are not finite ---


def test_what_is_not_finite_kills_its_chain_only():
    bowl = lambda x: (x**2).sum()
    hole = lambda x: jnp.where(x[0] > 2, jnp.nan, bowl(x))
    start = jnp.array([[0.0, 0.0], [2.5, 0.0], [1.0, 0.0]])
    with_hole, without = (
        run("langevin", 200, start, energy, step_size=0.01, temperature=0.1)
        for energy in (hole, bowl)
    )
    assert with_hole.state.died.tolist() == [-1, 0, -1]
    np.testing.assert_array_equal(with_hole.state.x[1], start[1])
    assert np.isinf(with_hole.best_value[1])
    np.testing.assert_allclose(with_hole.best_value[0::2], without.best_value[0::2])
    assert np.isfinite(with_hole.best_value[0::2]).all()


def test_a_best_point_is_finite():
    """U is finite, and least, at infinity."""
    result = run(
        "langevin", 5, jnp.full((20, 1), 3e38), lambda x: -jnp.arctan(1e-37 * x).sum(),
        step_size=1e38, temperature=1e38,
    )  # fmt: skip
    assert (result.state.died > 0).any()
    assert np.isfinite(result.best_x).all()


def test_a_temperature_that_is_not_a_number_stays_visible():
    state = run("langevin", 3, temperature=lambda t: jnp.where(t == 1, jnp.nan, 1.0))
    assert not state.state.alive.any()


# --- temperatures ---


def test_schedules_by_hand():
    T = annealing.logarithmic(2.0, t0=3.0, step_size=0.5)
    np.testing.assert_allclose(T(10), 2 / np.log(5 + 3), rtol=1e-6)
    T = annealing.geometric(4.0, 1.0, steps=10)
    np.testing.assert_allclose([T(0), T(5), T(10), T(99)], [4, 2, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("method", ["langevin", "improved_kinetic"])
@pytest.mark.promotes
def test_a_temperature_that_ends_at_zero_stays_there(method):
    assert jax.jit(TO_ZERO)(12) <= 0
    result = run(method, 20, temperature=TO_ZERO)
    assert result.state.died.tolist() == [-1] * 4
    assert np.isfinite(result.state.x).all()
    if method == "langevin":  # plain descent from step 10 on
        expected = result.trajectory.x[10]
        for _ in range(9):
            expected = expected - 1e-3 * jax.vmap(jax.grad(U.function))(expected)
        np.testing.assert_allclose(result.state.x, expected, rtol=1e-4, atol=1e-5)


# --- dtypes, JAX's settings, derivatives, devices ---


def test_an_energy_may_return_a_number_of_python():
    energy, x = lambda x: 1.0, jnp.ones((3, 2))
    moved = annealing.metropolis(
        energy, lambda key, x: -x, x, KEY, steps=2, temperature=1
    )
    for result in (moved, run(steps=2, x0=x, energy=energy)):
        np.testing.assert_array_equal(result.best_value, np.ones(3, np.float32))


def test_an_energy_may_be_wider_than_the_points():
    with jax.enable_x64(True):
        energy = lambda x: (x.astype(jnp.float64) ** 2).sum()
        result = run(steps=2, x0=jnp.ones((3, 2), jnp.float32), energy=energy)
        assert result.best_value.dtype == result.best_x.dtype == jnp.float32
        np.testing.assert_allclose(result.best_value, (result.best_x**2).sum(1), 1e-6)


def test_it_works_without_jit_and_without_rank_promotion():
    energy = lambda x: U(x)  # compiled for this test

    def visited():
        bounds = (-2.0, jnp.array([2.0, 3.0]))
        x0 = jnp.ones((3, 2))
        return run(
            "improved_kinetic", 3, x0, energy, bounds=bounds, records=2
        ).trajectory.x

    with jax.numpy_rank_promotion("raise"):
        expected = visited()
    with jax.disable_jit():
        np.testing.assert_allclose(visited(), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("f", "T"), [("bounded", 0.5), ("sqrt", 0.0)])
def test_forward_derivatives(f, T):
    def end(a):
        energy = jax.tree_util.Partial(lambda a, x: a * (x**2).sum(), a)
        x0 = jnp.array([[0.7], [1.2]])
        options = {"step_size": 0.05, "temperature": lambda t: T, "f": f}
        return run("improved", 4, x0, energy, **options).state.x.sum()

    with jax.enable_x64(True):
        at = jax.jvp(end, (jnp.float64(1.0),), (jnp.float64(1.0),))[1]
        h = 1e-6
        near = (end(jnp.float64(1 + h)) - end(jnp.float64(1 - h))) / (2 * h)
    assert np.isfinite(at)
    np.testing.assert_allclose(at, near, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_chains_spread_over_devices_are_the_same_chains(kind):
    kind = getattr(jax.sharding.AxisType, kind)
    mesh = jax.make_mesh((2,), ("chains",), axis_types=(kind,))
    spread = jax.device_put(START, jax.NamedSharding(mesh, jax.P("chains")))
    options = {
        "bounds": (U.low, U.high), "steps": 20, "threshold": lm.windowed_min(3),
    }  # fmt: skip
    over_two, here = run(x0=spread, **options), run(**options)
    assert len(over_two.best_x.sharding.device_set) == 2
    further, expected = (run(x0=r.state, **options) for r in (over_two, here))
    for a, b in ((over_two, here), (further, expected)):
        np.testing.assert_allclose(a.state.x, b.state.x, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(a.best_value, b.best_value, rtol=1e-4)


# --- populations ---


def test_the_dead_do_not_lead_a_population():
    hole = lambda x: jnp.where(x[0] > 2, jnp.nan, (x**2).sum())
    x0 = jnp.array([[1.0, 0.0], [2.5, 0.0], [1.5, 0.0]])
    result = run(
        x0=x0, energy=hole, step_size=0.01, temperature=0.1, threshold=lm.population()
    )
    best = np.asarray(result.best_value)
    assert result.state.died.tolist() == [-1, 0, -1]
    np.testing.assert_allclose(result.state.c[np.array([0, 2])], best[[0, 2]].min())
