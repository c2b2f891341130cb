"""`metropolis` around the laws: resuming, best states, records, devices, states."""

import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType

import landmod_jax as lm
from landmod_jax import annealing
from landmod_jax.annealing import _metropolis_loop as loop
from landmod_jax.annealing import spins

KEY = jax.random.key(2)
RNG = np.random.default_rng(0)
N = 10
EDGES = spins.edges(
    N, [(i, (i + k) % N) for i in range(N) for k in (1, 3)], RNG.normal(size=2 * N)
)
ISING = spins.ising(EDGES, 0.1)
MATRIX = np.zeros((N, N))
for i in range(N):
    for j, w in zip(EDGES.neighbors[i], EDGES.weights[i]):
        MATRIX[i, j] = w
MODELS = {
    "sparse": ISING,
    "dense": spins.ising(MATRIX, 0.1),
    "Potts": spins.potts(EDGES, 3),
    "uniform": spins.curie_weiss(N),
}


def run(model=ISING, steps=300, chains=5, order="sequential", x0=None, **options):
    x0 = model.sample(jax.random.key(1), chains) if x0 is None else x0
    options = {"temperature": 0.5, "records": 10, "energy": model} | options
    options = {"propose": model.flips(order)} | options
    return annealing.metropolis(x0=x0, key=KEY, steps=steps, **options)


def bowl(x):
    return (x["a"] ** 2).sum() + (x["b"] == 0).astype(jnp.float32)


def jump(key, x):
    first, second = jax.random.split(key)
    a = x["a"] + 0.3 * jax.random.normal(first, x["a"].shape)
    return {"a": a, "b": jax.random.randint(second, (), 0, 3, jnp.int32)}


START = {"a": jnp.ones((5, 2)), "b": jnp.zeros(5, jnp.int32)}


def whole(steps=300, x0=START, **options):
    options = {"temperature": 0.5, "records": 10} | options
    return annealing.metropolis(bowl, jump, x0, KEY, steps=steps, **options)


random = functools.partial(run, order="random")


@pytest.mark.parametrize(
    ("make", "options"),
    [(run, {}), (random, {"f": "linear"}), (whole, {"f": "linear"})],
)
def test_a_resumed_run_equals_an_uninterrupted_one(make, options):
    options = options | {"temperature": annealing.geometric(1.0, 0.1, 300)}
    long = make(steps=300, **options)
    first = make(steps=131, **options)
    rest = make(steps=169, x0=first.state, **options)
    chex.assert_trees_all_equal(rest.state, long.state)


@pytest.mark.parametrize(
    ("name", "order"),
    [(name, "random" if name == "sparse" else "sequential") for name in MODELS],
)
def test_incremental_energies_are_those_of_the_states(name, order):
    # The first 383 steps add changes only.
    result = run(MODELS[name], steps=383, order=order, records=383)
    trajectory = result.trajectory
    expected = jax.vmap(jax.vmap(MODELS[name]))(trajectory.x)
    np.testing.assert_allclose(trajectory.value, expected, rtol=1e-4, atol=1e-4)
    moved = np.asarray(trajectory.x[1:] != trajectory.x[:-1]).sum(-1)
    assert set(np.unique(moved)) == {0, 1}
    accepted = moved.sum(0) + np.asarray(
        trajectory.x[0] != MODELS[name].sample(jax.random.key(1), 5)
    ).sum(-1)
    np.testing.assert_array_equal(result.state.accepted, accepted)


@pytest.mark.parametrize("make", [run, whole])
def test_the_best_is_the_best_of_all_states_visited(make):
    result = make(steps=300, records=300, temperature=1.0, f="linear")
    value = np.asarray(result.trajectory.value)
    best = np.asarray(result.state.best_value)
    np.testing.assert_array_equal(best, result.trajectory.best_value[-1])
    assert (best <= value.min(0)).all()
    np.testing.assert_allclose(result.best_value, best, rtol=1e-4, atol=1e-4)
    energy = bowl if make is whole else ISING
    np.testing.assert_allclose(
        jax.vmap(energy)(result.best_x), result.best_value, rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(result.state.c, best)


def test_a_chain_does_not_depend_on_its_neighbors():
    x0 = ISING.sample(KEY, 6)
    many, few = run(x0=x0, f="linear"), run(x0=x0[:2], f="linear")
    np.testing.assert_array_equal(few.state.x, many.state.x[:2])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Drifting:
    """Flips whose changes of energy are 0.5 too high."""

    flips: Any
    acceptance = "heat_bath"

    def propose(self, draw, x, step):
        return self.flips.propose(draw, x, step)

    def change(self, x, move):
        return self.flips.change(x, move) + 0.5

    def apply(self, x, move, accepted):
        return self.flips.apply(x, move, accepted)


def test_rounding_is_taken_out_of_incremental_energies():
    drifting = Drifting(ISING.flips())
    for steps, exact in ((383, False), (384, True)):  # 32 N, in whole blocks
        result = run(steps=steps, records=1, propose=drifting)
        state = result.state
        for x, value in ((state.x, state.value), (state.best_x, state.best_value)):
            assert np.allclose(value, jax.vmap(ISING)(x), rtol=1e-5) == exact
        # What is returned is always the energy of what is returned.
        np.testing.assert_allclose(
            result.best_value, jax.vmap(ISING)(result.best_x), rtol=1e-5
        )


def test_records_do_not_change_the_chains():
    """A record at every step, at some of them, and at none."""
    many, few, none = (
        run(steps=300, f="linear", records=records) for records in (300, 7, 0)
    )
    chex.assert_trees_all_equal(many.state, few.state, none.state)
    ends = np.array([i * 300 // 7 for i in range(1, 8)])
    np.testing.assert_array_equal(few.trajectory.step, ends)
    chex.assert_trees_all_equal(
        few.trajectory, jax.tree.map(lambda leaf: leaf[ends - 1], many.trajectory)
    )


@pytest.mark.parametrize("make", [run, whole])
def test_it_works_without_jit_and_without_rank_promotion(make):
    with jax.numpy_rank_promotion("raise"):
        jitted = make(steps=3, f="linear", records=2)
    with jax.disable_jit():
        eager = make(steps=3, f="linear", records=2)
    chex.assert_trees_all_close(eager.trajectory, jitted.trajectory, rtol=1e-5)


def test_it_may_be_mapped_and_differs_by_what_it_is_mapped_over():
    Ts = jnp.array([0.2, 2.0])
    mapped = jax.vmap(lambda T: run(f="linear", temperature=T).state.value)(Ts)
    for i in range(2):
        alone = run(f="linear", temperature=float(Ts[i])).state.value
        np.testing.assert_allclose(mapped[i], alone, rtol=1e-4, atol=1e-4)


def test_at_temperature_zero_nothing_rises():
    result = run(temperature=optax.linear_schedule(1.0, 0.0, 200), steps=300)
    value = np.asarray(result.trajectory.value)[6:]
    assert (np.diff(value, axis=0) <= 1e-5).all()


def test_what_is_not_finite_is_not_entered():
    def walled(x):
        return jnp.where(jnp.abs(x) > 3, jnp.inf, jnp.where(x == 0, jnp.nan, x / 10))

    def step(key, x):
        return x + jnp.where(jax.random.bernoulli(key), 1.0, -1.0)

    x0 = jnp.array([1.0, -2.0, 3.5, 9.0])
    result = annealing.metropolis(
        walled, step, x0, KEY, steps=200, temperature=5.0, records=200, f="linear"
    )
    x = np.asarray(result.trajectory.x)
    assert ((x[:, 0] >= 1) & (x[:, 0] <= 3)).all()
    assert ((x[:, 1] <= -1) & (x[:, 1] >= -3)).all()
    assert np.isfinite(result.trajectory.value[-1, :3]).all()
    assert np.isinf(result.best_value[3]) or result.best_value[3] <= 0.3


def test_moves_stay_in_a_forbidden_state_that_they_start_in():
    walled = lambda s: jnp.where(s[0] == 1, jnp.inf, ISING(s))
    x0 = jnp.asarray([[1] * N, [-1] * N], jnp.int8)
    state = run(energy=walled, x0=x0, temperature=5.0).state
    np.testing.assert_array_equal(state.x[0], x0[0])
    assert state.accepted[0] == 0 < state.accepted[1]
    assert np.isposinf(state.best_value[0])


def test_off_is_plain():
    plain = run(temperature=0.7)
    off = run(temperature=0.7, f="linear", threshold=lm.constant(float("inf")))
    np.testing.assert_array_equal(plain.trajectory.x, off.trajectory.x)


def test_energies_in_half_precision_are_decided_on_in_float32():
    def energy(x, dtype):
        return jnp.minimum(abs(x), 20).astype(dtype)

    def step(key, x):
        return x + 2 * jax.random.bernoulli(key).astype(int) - 1

    states = [
        annealing.metropolis(
            functools.partial(energy, dtype=d), step, jnp.zeros(5, jnp.int32), KEY,
            steps=200, temperature=3.0, f="linear",
        ).state
        for d in (jnp.bfloat16, jnp.float32)
    ]  # fmt: skip
    assert (states[0].accepted > 0).all()
    chex.assert_trees_all_equal(*states)


# --- populations ---


@pytest.mark.parametrize(
    ("threshold", "reduce", "since"),
    [
        (lm.population("min"), np.min, np.minimum.accumulate),
        (lm.population("mean", rule=lm.windowed_min(1)), np.mean, lambda told: told),
    ],
)
def test_a_population_has_one_c(threshold, reduce, since):
    trajectory = run(f="linear", threshold=threshold, records=300).trajectory
    start = np.asarray(jax.vmap(ISING)(ISING.sample(jax.random.key(1), 5)))
    told = reduce(np.concatenate([start[None], trajectory.value]), axis=1)
    expected = np.tile(since(told)[1:, None], 5)
    np.testing.assert_allclose(trajectory.c, expected, rtol=1e-4, atol=1e-4)


# --- devices ---


def spread_over_two(kind):
    mesh = jax.make_mesh((2,), ("devices",), axis_types=(kind,))
    return jax.NamedSharding(mesh, jax.P("devices"))


@pytest.mark.parametrize(
    ("threshold", "order"),
    [(None, "random"), (lm.population(), "sequential")],
)
def test_chains_spread_over_devices_are_the_same_chains(threshold, order):
    x0 = ISING.sample(KEY, 16)
    kind = AxisType.Explicit if threshold is None else AxisType.Auto
    here, spread = (
        run(x0=x, f="linear", threshold=threshold, order=order)
        for x in (x0, jax.device_put(x0, spread_over_two(kind)))
    )
    assert len(spread.best_x.sharding.device_set) == 2
    np.testing.assert_array_equal(spread.state.x, here.state.x)
    np.testing.assert_allclose(spread.state.c, here.state.c, rtol=1e-5)


@pytest.mark.parametrize("f", ["bounded", lambda u: u / 2])
def test_shapes_have_chains_on_an_explicit_mesh(f):
    law = loop.Law(lm._shapes.resolve(f), lm.constant(0.0), True)
    low, high = jnp.linspace(-1.0, 3.0, 16), jnp.linspace(2.0, -2.0, 16)
    spread = spread_over_two(AxisType.Explicit)

    @jax.jit
    def rise(low, high):
        return loop.rise(law, low, high - low, high, 0 * low, jnp.float32(0.5))

    with jax.set_mesh(spread.mesh):
        over_two = rise(jax.device_put(low, spread), jax.device_put(high, spread))
    assert len(over_two.sharding.device_set) == 2
    np.testing.assert_allclose(over_two, rise(low, high), rtol=1e-6)


# --- states of models ---


def test_a_wrong_acceptance_of_moves_is_named():
    moves = dataclasses.replace(ISING.flips(), acceptance="gibbs")
    with pytest.raises(ValueError, match="acceptance of propose must be one of"):
        run(propose=moves, steps=2)


SPINS, COLORS = "spins of -1 and 1 (of bits, pass 2", "colors, integers from 0 to 2"
NO_STATES = [
    ("sparse", np.arange(N) % 2, SPINS),
    ("dense", np.arange(N) % 2 == 1, SPINS),
    ("uniform", np.where(np.arange(N) == 3, np.nan, 1.0), SPINS),
    ("sparse", np.ones(N, np.uint8), SPINS),
    ("Potts", np.arange(N) % 3 + 1, COLORS),
    ("Potts", np.ones(N), COLORS),
    ("sparse", np.ones(4), f"states of {N} numbers on its last axis"),
]


@pytest.mark.parametrize(("name", "s", "message"), NO_STATES)
def test_models_name_states_that_are_none(name, s, message):
    model = MODELS[name]
    with pytest.raises(ValueError, match=r"^s must "):
        model(s)
    # A model of which the moves, the energy, or both are used.
    for options in ({}, {"energy": lambda s: 0.0}, {"propose": lambda key, s: s}):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            run(model, x0=np.stack([np.ones_like(s), s]), **options)
        assert f"x0 must hold {message}" in str(caught.value)


def test_traced_states_are_checked_by_dtype():
    with pytest.raises(ValueError, match="x0 must hold spins"):
        jax.jit(lambda x0: run(x0=x0).best_value)(np.ones((2, N), bool))
    state = np.where(np.arange(N) % 2, 1, -1)
    assert jax.jit(lambda: ISING(state))() == ISING(state)


def test_bits_become_spins_as_the_message_says():
    bits = np.arange(N) % 2
    signs = np.where(bits == 1, 1.0, -1.0)
    expected = -signs @ MATRIX @ signs / 2 - 0.1 * signs.sum()
    np.testing.assert_allclose(ISING(2 * bits - 1), expected, rtol=1e-5)
