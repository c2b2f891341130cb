"""`anneal` around the laws: going on, bounds, dead chains, memory, errors."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm
from experiments.annealing import objectives
from landmod_jax import annealing
from landmod_jax.annealing import _noise, _transforms

KEY = jax.random.key(2)
U = objectives.rastrigin(2)
SETTINGS = {"step_size": 1e-3, "temperature": 1.0}


def run(method="improved", steps=100, chains=4, **options):
    start = U.sample(jax.random.key(1), chains)
    return annealing.anneal(
        U, start, KEY, method=method, steps=steps, **SETTINGS | options
    )


@pytest.mark.parametrize("method", list(annealing.METHODS))
def test_going_on_is_not_having_stopped(method):
    whole = run(method, steps=100)
    first = run(method, steps=37)
    rest = annealing.anneal(U, first.state, KEY, method=method, steps=63, **SETTINGS)
    chex.assert_trees_all_equal(rest.state, whole.state)


@pytest.mark.parametrize("method", list(annealing.METHODS))
def test_a_chain_does_not_depend_on_its_neighbors(method):
    start = U.sample(jax.random.key(1), 6)
    many, few = (
        annealing.anneal(U, x, KEY, method=method, steps=50, **SETTINGS)
        for x in (start, start[:2])
    )
    np.testing.assert_allclose(few.state.x, many.state.x[:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["langevin", "improved_kinetic"])
def test_chains_spread_over_devices_are_the_same_chains(method):
    start = U.sample(jax.random.key(1), 16)
    mesh = jax.make_mesh((2,), ("chains",))
    over_two = jax.NamedSharding(mesh, jax.P("chains"))
    here, spread = (
        annealing.anneal(U, x, KEY, method=method, steps=50, **SETTINGS)
        for x in (start, jax.device_put(start, over_two))
    )
    assert len(spread.best_x.sharding.device_set) == 2
    np.testing.assert_allclose(spread.state.x, here.state.x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(spread.best_value, here.best_value, rtol=1e-4)


def test_the_best_is_the_best_of_all_points_visited():
    result = run(steps=60, records=60)
    trajectory = result.trajectory
    assert trajectory.x.shape == (60, 4, 2)
    start = np.asarray(jax.vmap(U)(U.sample(jax.random.key(1), 4)))
    lowest = np.minimum(np.asarray(trajectory.value).min(0), start)
    np.testing.assert_array_equal(result.best_value, lowest)
    np.testing.assert_allclose(jax.vmap(U)(result.best_x), lowest, rtol=1e-5)
    np.testing.assert_array_equal(result.state.c, lowest)  # the running minimum


def test_memory_does_not_grow_with_the_steps():
    def size(steps):
        result = jax.eval_shape(functools.partial(run, steps=steps))
        return [leaf.shape for leaf in jax.tree.leaves(result)]

    assert size(1_000) == size(1_000_000)


@pytest.mark.parametrize("at_bounds", ["reflect", "clip"])
@pytest.mark.parametrize("method", ["langevin", "kinetic"])
def test_no_chain_leaves_the_box(method, at_bounds):
    result = annealing.anneal(
        lambda x: -5 * x.sum(), jnp.zeros((50, 2)), KEY, method=method, steps=200,
        step_size=0.05, temperature=1.0, bounds=(-1.0, jnp.array([1.0, 2.0])),
        at_bounds=at_bounds, records=200,
    )  # fmt: skip
    x = np.asarray(result.trajectory.x)
    assert x.min() >= -1
    assert (x.max((0, 1)) <= [1, 2]).all()
    assert (x.max((0, 1)) > [0.99, 1.9]).all()


def test_what_is_not_finite_kills_its_chain_only():
    hole = lambda x: jnp.where(x[0] > 2, jnp.nan, (x**2).sum())
    start = jnp.array([[0.0, 0.0], [2.5, 0.0], [1.0, 0.0]])
    with_hole, without = (
        annealing.anneal(
            f, start, KEY, method="langevin", steps=200, step_size=0.01, temperature=0.1
        )
        for f in (hole, lambda x: (x**2).sum())
    )
    assert with_hole.state.died.tolist() == [-1, 0, -1]
    np.testing.assert_array_equal(with_hole.state.x[1], start[1])
    assert np.isinf(with_hole.best_value[1])
    np.testing.assert_allclose(with_hole.best_value[0::2], without.best_value[0::2])
    assert np.isfinite(with_hole.best_value[0::2]).all()


def test_it_is_jitted_and_compiled_once():
    traced = []

    def energy(x):
        traced.append(None)
        return (x**2).sum()

    for T in (
        1.0,
        0.5,
        annealing.geometric(1.0, 0.1, 10),
        annealing.geometric(2.0, 0.1, 10),
    ):
        annealing.anneal(
            energy, jnp.ones((3, 2)), KEY, method="langevin", steps=10, step_size=0.1,
            temperature=T,
        )  # fmt: skip
        count = len(traced) if T == 1.0 else None
        first = count or first  # noqa: F821
    # An evaluation of its shape for each call, and two compilations: number, schedule.
    assert len(traced) <= 2 * first + 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "improvd"}, "did you mean 'improved'"),
        (
            {"temperature": -1.0},
            "temperature must be a finite real number of at least 0",
        ),
        ({"method": "kinetic", "temperature": 0.0}, "greater than 0"),
        ({"temperature": lambda t: 1 - jnp.float32(t)}, r"temperature\(9\)"),
        ({"step_size": 0.0}, "step_size must be a finite real number greater than 0"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
        ({"steps": 1.5}, "steps must be an integer"),
        ({"eps": 1.0}, "'improved' does not take eps"),
        ({"method": "langevin", "f": "linear"}, "'langevin' does not take f"),
        ({"f": "linaer"}, "linear"),
        ({"threshold": 0.5}, "threshold must be a Threshold"),
        ({"scheme": "baoab"}, "scheme of 'improved' must be one of"),
        ({"bounds": (1.0, -1.0)}, "low < high"),
        ({"bounds": (-0.1, 0.1)}, "x0 must lie within bounds"),
        ({"at_bounds": "wrap"}, "at_bounds must be one of"),
        ({"x0": jnp.ones(3)}, r"shape \(chains, d\), got \(3,\)"),
        ({"energy": lambda x: x}, "must return a real scalar"),
        ({"energy": 3}, "energy must be a function"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {"energy": U, "x0": jnp.ones((3, 2)), "key": KEY, "method": "improved"}
    arguments |= {"steps": 10} | SETTINGS | change
    with pytest.raises(ValueError, match=message):
        annealing.anneal(**arguments)


# --- cooling, transformations ---


def test_schedules_by_hand():
    T = annealing.logarithmic(2.0, t0=3.0, step_size=0.5)
    np.testing.assert_allclose(T(10), 2 / np.log(5 + 3), rtol=1e-6)
    T = annealing.geometric(4.0, 1.0, steps=10)
    np.testing.assert_allclose([T(0), T(5), T(10), T(99)], [4, 2, 1, 1], rtol=1e-6)
    result = run(temperature=optax.linear_schedule(1.0, 0.1, 100))
    assert np.isfinite(result.best_value).all()


def test_langevin_noise_behind_sgd_is_2_4():
    eta, T = 0.1, 0.3
    params = jnp.zeros(20_000)
    tx = optax.chain(optax.sgd(eta), annealing.langevin_noise(eta, T, key=0))
    updates, _ = tx.update(jnp.ones_like(params), tx.init(params))
    assert abs(float(updates.mean()) + eta) < 5 * np.sqrt(2 * T * eta / params.size)
    np.testing.assert_allclose(updates.std(), np.sqrt(2 * T * eta), rtol=0.03)


@pytest.mark.parametrize("modify", [False, True])
def test_the_transformations_sample_as_they_say(modify):
    """exp(−U/T) for a bowl U = x²/2 in 4,000 coordinates; T for the momenta."""
    T, dt = 0.4, 0.1
    ahead = (
        (lm.landscape_modify(threshold=lm.constant(float("inf"))),) if modify else ()
    )
    for tx, steps in (
        (
            optax.chain(*ahead, optax.sgd(0.02), annealing.langevin_noise(0.02, T, 0)),
            400,
        ),
        (optax.chain(*ahead, annealing.kinetic_langevin(dt, T, 0)), 400),
    ):
        x = jnp.zeros(4000)

        def step(carry, _, tx=tx):
            x, state = carry
            updates, state = tx.update(x, state, x, value=jnp.float32(1))
            return (x + updates, state), None

        (x, _), _ = jax.lax.scan(step, (x, tx.init(x)), None, steps)
        np.testing.assert_allclose(x.var(), T, rtol=0.1)
        assert abs(float(x.mean())) < 5 * np.sqrt(T / 4000)


def test_kinetic_langevin_visits_the_points_of_anneal(monkeypatch):
    x, T = jnp.array([[0.7, 0.2], [1.0, -0.4]]), annealing.geometric(1.0, 0.3, 5)
    steps = iter(range(5))

    def noise_of_anneal(key, tree):
        words = _noise.words(KEY)
        return _noise.normal(words, jnp.int32(next(steps)), 2, 2, jnp.float32).T

    monkeypatch.setattr(_transforms, "_noise_like", noise_of_anneal)
    tx, points = annealing.kinetic_langevin(0.1, T, 0), []
    state = tx.init(x)
    expected = annealing.anneal(
        U, x, KEY, method="kinetic", steps=5, step_size=0.1, temperature=T, records=5
    ).trajectory.x
    for _ in range(5):
        updates, state = tx.update(jax.vmap(jax.grad(U))(x), state)
        x = x + updates
        points.append(x)
    np.testing.assert_allclose(points, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dt", "T", "drift"), [(1e-2, 1.0, 1e-2), (0.1, 1e-6, 5e-3)])
def test_the_drift_of_kinetic_langevin(dt, T, drift):
    tx = annealing.kinetic_langevin(dt, T, 0)

    def step(state, _):
        updates, state = tx.update(jnp.ones(4000), state)
        return state, updates.mean()

    _, means = jax.lax.scan(step, tx.init(jnp.ones(4000)), None, round(10 * T / dt) + 9)
    np.testing.assert_allclose(-means[-1], drift, rtol=0.05)


def test_transformations_keep_dtypes_and_leave_integers():
    params = {"half": jnp.ones(3, jnp.bfloat16), "whole": jnp.arange(3)}
    for make in (annealing.langevin_noise, annealing.kinetic_langevin):
        tx = make(0.1, 1.0, 0)
        state = tx.init(params)
        updates, new = tx.update(params, state)
        assert updates["half"].dtype == jnp.bfloat16
        np.testing.assert_array_equal(updates["whole"], params["whole"])
        chex.assert_trees_all_equal_shapes_and_dtypes(state, new)
        again, _ = tx.update(params, new)
        assert (again["half"] != updates["half"]).any()
    with pytest.raises(ValueError, match="temperature must be a finite real number"):
        annealing.langevin_noise(0.1, -1.0, 0)
