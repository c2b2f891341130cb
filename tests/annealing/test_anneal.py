"""`anneal` around the laws: resuming, walls, dead chains, cooling, JAX's settings."""

import functools

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
METHODS = pytest.mark.parametrize("method", list(annealing.METHODS))


def run(method="improved", steps=100, x0=START, energy=U, **options):
    options = {"step_size": 1e-3, "temperature": 1.0} | options
    return annealing.anneal(energy, x0, KEY, method=method, steps=steps, **options)


@METHODS
def test_a_resumed_run_equals_an_uninterrupted_one(method):
    whole, first = run(method), run(method, steps=37)
    rest = run(method, steps=63, x0=first.state)
    chex.assert_trees_all_equal(rest.state, whole.state)


@METHODS
def test_a_chain_does_not_depend_on_its_neighbors(method):
    many, few = run(method, steps=50), run(method, steps=50, x0=START[:2])
    np.testing.assert_allclose(few.state.x, many.state.x[:2], rtol=1e-4, atol=1e-5)


def test_the_best_is_the_best_of_all_points_visited():
    result = run(steps=60, records=60)
    trajectory = result.trajectory
    assert trajectory.x.shape == (60, 4, 2)
    lowest = np.minimum(np.asarray(trajectory.value).min(0), jax.vmap(U)(START))
    np.testing.assert_array_equal(result.best_value, lowest)
    np.testing.assert_allclose(jax.vmap(U)(result.best_x), lowest, rtol=1e-5)
    np.testing.assert_array_equal(result.state.c, lowest)  # the running minimum


def test_memory_does_not_grow_with_the_steps():
    def size(steps):
        result = jax.eval_shape(functools.partial(run, steps=steps))
        return [leaf.shape for leaf in jax.tree.leaves(result)]

    assert size(1_000) == size(1_000_000)


# --- walls ---


@pytest.mark.parametrize("at_bounds", ["reflect", "clip"])
@pytest.mark.parametrize("method", ["langevin", "kinetic"])
def test_no_chain_leaves_the_box(method, at_bounds):
    result = run(
        method, 200, jnp.zeros((50, 2)), lambda x: -5 * x.sum(), step_size=0.05,
        bounds=(-1.0, jnp.array([1.0, 2.0])), at_bounds=at_bounds, records=200,
    )  # fmt: skip
    x = np.asarray(result.trajectory.x)
    assert x.min() >= -1
    assert (x.max((0, 1)) <= [1, 2]).all()
    assert (x.max((0, 1)) > [0.99, 1.9]).all()


@pytest.mark.parametrize("d", [1, 2, 3])
def test_bounds_may_be_an_object_of_scipy(d):
    low, high = np.array([-5, -4, -np.inf])[:d], np.array([3.0, 5, 4])[:d]
    x0 = jnp.tile(jnp.array([-4.5, 1.5, 0.0])[:d], (4, 1))
    pair, scipys = (
        run("langevin", 30, x0, step_size=0.1, temperature=3.0, bounds=bounds).state.x
        for bounds in ((low, high), optimize.Bounds(low, high))
    )
    np.testing.assert_array_equal(pair, scipys)
    assert (pair >= low).all()
    assert (pair <= high).all()


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
    result = run(
        "improved", 30, jnp.zeros((3, 1)), threshold=threshold, step_size=0.1,
        energy=lambda x: jnp.where(x[0] > 1, jnp.nan, -x[0]), temperature=0.5,
        records=30,
    )  # fmt: skip
    jax.effects_barrier()
    assert (result.state.died > 0).any()
    assert np.isfinite(received).all()
    if not shared:  # c is the least of the finite values
        least = np.minimum(result.trajectory.value.min(0), 0)
        np.testing.assert_array_equal(result.state.c, least)


@pytest.mark.parametrize("x", [1.0, float("nan")])
def test_nan_temperatures_stay_visible(x):
    state = run("langevin", 3, temperature=lambda t: jnp.where(t == 1, x, 1.0)).state
    assert bool(state.alive.all()) == np.isfinite(x)


# --- temperatures ---


def test_schedules_by_hand():
    T = annealing.logarithmic(2.0, t0=3.0, step_size=0.5)
    np.testing.assert_allclose(T(10), 2 / np.log(5 + 3), rtol=1e-6)
    T = annealing.geometric(4.0, 1.0, steps=10)
    np.testing.assert_allclose([T(0), T(5), T(10), T(99)], [4, 2, 1, 1], rtol=1e-6)


@METHODS
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


@pytest.mark.parametrize("constant", [1.0, np.float32(1)])
def test_an_energy_may_return_a_number_of_python_or_numpy(constant):
    energy, x = lambda x: constant, jnp.ones((3, 2))
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


@pytest.mark.parametrize("method", ["improved", "improved_kinetic"])
def test_it_works_without_jit_and_without_rank_promotion(method):
    energy = lambda x: U(x)  # compiled for this test

    def visited():
        bounds = (-2.0, jnp.array([2.0, 3.0]))
        x0 = jnp.ones((3, 2))
        return run(method, 3, x0, energy, bounds=bounds, records=2).trajectory.x

    with jax.numpy_rank_promotion("raise"):
        expected = visited()
    with jax.disable_jit():
        np.testing.assert_allclose(visited(), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("T", [0.0, 0.5])
@pytest.mark.parametrize("f", ["bounded", "linear", "sqrt"])
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


def test_reverse_mode_is_an_error():
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        jax.grad(lambda x0: run("langevin", 4, x0).best_value.sum())(START)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        lambda v: {"step_size": v / 100},
        lambda v: {"temperature": v},
        lambda v: {"eps": v},
        lambda v: {"temperature": annealing.logarithmic(v)},
        lambda v: {"temperature": annealing.logarithmic(1.0, 1 + v)},
        lambda v: {"temperature": annealing.geometric(v, 0.1, 4)},
        lambda v: {"bounds": (-6 - v, 6 + v)},
    ],
)
def test_numbers_may_be_mapped(options):
    values = jnp.array([0.3, 0.7])
    end = lambda v: run("improved_kinetic", 5, records=0, **options(v))
    mapped = jax.vmap(end)(values)
    for i in range(2):
        chex.assert_trees_all_close(
            jax.tree.map(lambda leaf, i=i: leaf[i], mapped), end(float(values[i])),
            rtol=1e-3, atol=1e-4,
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
@pytest.mark.parametrize("options", [
    {"method": "improved", "threshold": lm.windowed_min(3)},
    *(pytest.param(options, marks=pytest.mark.slow) for options in (
        {"method": "langevin"},
        {"method": "improved_kinetic"},
        {"method": "improved", "threshold": lm.constant(0.3)},
    )),
])  # fmt: skip
def test_chains_spread_over_devices_are_the_same_chains(kind, options):
    kind = getattr(jax.sharding.AxisType, kind)
    mesh = jax.make_mesh((2,), ("chains",), axis_types=(kind,))
    spread = jax.device_put(START, jax.NamedSharding(mesh, jax.P("chains")))
    options = {"bounds": (U.low, U.high), "steps": 20} | options
    over_two, here = run(x0=spread, **options), run(**options)
    assert len(over_two.best_x.sharding.device_set) == 2
    further, expected = (run(x0=r.state, **options) for r in (over_two, here))
    for a, b in ((over_two, here), (further, expected)):
        np.testing.assert_allclose(a.state.x, b.state.x, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(a.best_value, b.best_value, rtol=1e-4)


# --- populations ---


@pytest.mark.parametrize("reduce", ["min", "mean"])
def test_a_population_has_one_c(reduce):
    result = run(steps=50, threshold=lm.population(reduce), records=50)
    values = np.concatenate([jax.vmap(U)(START)[None], result.trajectory.value])
    expected = getattr(values, reduce)(axis=1).min()
    np.testing.assert_allclose(result.state.c, np.full(4, expected), rtol=1e-5)


def test_the_dead_do_not_lead_a_population():
    hole = lambda x: jnp.where(x[0] > 2, jnp.nan, (x**2).sum())
    x0 = jnp.array([[1.0, 0.0], [2.5, 0.0], [1.5, 0.0]])
    result = run(
        x0=x0, energy=hole, step_size=0.01, temperature=0.1, threshold=lm.population()
    )
    best = np.asarray(result.best_value)
    assert result.state.died.tolist() == [-1, 0, -1]
    np.testing.assert_allclose(result.state.c[np.array([0, 2])], best[[0, 2]].min())
