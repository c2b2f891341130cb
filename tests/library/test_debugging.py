"""JAX's own tools work on the library: disable_jit, debug_infs, ranks, leaks."""

import copy
import itertools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

pytestmark = pytest.mark.promotes

THRESHOLDS = {
    "running_min": lm.running_min,
    "constant": lambda: lm.constant(0.5),
    "smoothed_min": lambda: lm.smoothed_min(0.5),
    "windowed_min": lambda: lm.windowed_min(3),
    "population": lambda: lm.population("mean", "i", lm.smoothed_min(0.5)),
}
SHAPES = {
    **{name: lambda name=name: lm.SHAPES[name] for name in lm.SHAPES},
    "power": lambda: lm.power(1.5),
    "wide": lambda: lm.bounded(2.0, 0.5),
    "own": lambda: lm.Shape("own", double, integral_of_double),
}


def double(u):
    return 2 * u


def integral_of_double(u, eps):
    return jnp.log1p(2 * u / eps) / 2


@pytest.mark.parametrize("name", [n for n in THRESHOLDS if n != "population"])
@pytest.mark.parametrize("compiled", [False, True])
def test_debug_infs_finds_no_infinity_of_ours(name, compiled):
    tx = lm.landscape_modify(threshold=THRESHOLDS[name]())
    tx = lm.accumulate(optax.chain(tx, optax.sgd(0.1)), 2)
    w = jnp.ones(3)
    update = lambda s, v: tx.update(w, s, w, value=v)[1]
    init, update = (
        (jax.jit(tx.init), jax.jit(update)) if compiled else (tx.init, update)
    )
    with jax.debug_infs(True), jax.debug_nans(True):
        state = init(w)
        for value in (3.0, 1.0, 2.0, 2.0):
            state = update(state, value)
        state = lm.reset(tx, state, w)
    assert np.isfinite(lm.current(state).c)
    with pytest.raises(FloatingPointError), jax.debug_infs(True):
        update(state, jnp.inf * 2)


def test_the_first_losses_may_be_the_largest_and_not_finite():
    tx = lm.landscape_modify()
    state = tx.init(0.0)
    largest = np.finfo(np.float32).max
    assert state.c == largest
    for value, c in ((jnp.inf, largest), (jnp.nan, largest), (largest, largest)):
        updates, state = tx.update(1.0, state, value=value)
        assert state.c == c
        assert updates == (1 if np.isfinite(value) else 0)


def everything():
    tx = lm.accumulate(optax.chain(lm.landscape_modify("bounded"), optax.sgd(0.1)), 2)
    state = tx.init(W)
    for value in (3.0, 1.0, 2.0):
        updates, state = tx.update(W, state, W, value=value)
    h = lm.landscape(jnp.arange(3.0), 0.5, 1.0, double)
    return updates, state, h, lm.critical_height([0.0, 2.0, 1.0])


W = jnp.ones((3, 2))


def test_disable_jit_gives_the_same():
    expected = everything()
    with jax.disable_jit():
        got = everything()
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, expected
    )


def test_no_promotion_of_ranks():
    with jax.numpy_rank_promotion("raise"):
        everything()
        for name, eps in itertools.product(SHAPES, (jnp.float32(2.0), jnp.ones(2))):
            lm.landscape(W, 0.5, eps, SHAPES[name]())


@pytest.mark.parametrize("name", THRESHOLDS)
def test_equal_thresholds_are_equal_and_can_be_pickled(name):
    threshold = THRESHOLDS[name]()
    assert threshold == THRESHOLDS[name]()
    assert hash(threshold) == hash(THRESHOLDS[name]())
    for other in (pickle.loads(pickle.dumps(threshold)), copy.deepcopy(threshold)):
        assert other == threshold
    assert all(threshold != THRESHOLDS[n]() for n in THRESHOLDS if n != name)
    assert lm.smoothed_min(0.5) != lm.smoothed_min(0.25)
    assert lm.constant(0) != lm.constant(1)


@pytest.mark.parametrize("name", SHAPES)
def test_equal_shapes_are_equal_and_can_be_pickled(name):
    shape = SHAPES[name]()
    assert shape == SHAPES[name]()
    assert hash(shape) == hash(SHAPES[name]())
    other = pickle.loads(pickle.dumps(shape))
    assert other == shape
    assert other(jnp.float32(2.0)) == shape(jnp.float32(2.0))
    assert all(shape != SHAPES[n]() for n in SHAPES if n != name)
    assert lm.bounded(1.0, 2.0) != lm.bounded(1.0, 2.0000001)


def test_a_state_can_be_pickled():
    tx = optax.chain(lm.landscape_modify(threshold=lm.windowed_min(2)), optax.adam(0.1))
    state = tx.update(W, tx.init(W), W, value=3.0)[1]
    again = pickle.loads(pickle.dumps(state))
    after, expected = (tx.update(W, s, W, value=2.0) for s in (again, state))
    jax.tree.map(np.testing.assert_array_equal, after, expected)


def test_no_leak_of_traced_arguments():
    def update(c):
        tx = lm.landscape_modify(lm.bounded(c), threshold=lm.constant(c))
        return tx.update(1.0, tx.init(None), value=2.0)[0] + lm.landscape(
            3.0, 1.0, c, lm.power(c), 0.0
        )

    with jax.checking_leaks():
        jax.jit(update)(0.5)


def test_a_shape_that_is_nan_at_infinity_meets_it_nowhere():
    """The example of Shape, u + sin u."""
    wavy = lm.Shape("wavy", lambda u: u + jnp.sin(u))
    for c, value in ((-jnp.inf, 1.0), (-3e38, 3e38)):
        tx = lm.landscape_modify(wavy, threshold=lm.constant(c))
        updates, state = tx.update(1.0, tx.init(None), value=value)
        assert 0 <= updates < 1e-37
        assert state.scale == updates


@pytest.mark.parametrize(("f", "scale"), [("linear", 0), ("bounded", 1 / 2)])
def test_c_of_minus_infinity(f, scale):
    """It stops all steps unless f is bounded, here by 1, with eps = 1."""
    tx = lm.landscape_modify(f, threshold=lm.constant(-jnp.inf))
    updates, _ = tx.update(1.0, tx.init(None), value=3.0)
    np.testing.assert_allclose(updates, scale, atol=1e-37)


def test_update_of_a_threshold_sees_finite_values_only():
    seen = []

    def update(state, value):
        jax.debug.callback(lambda v: seen.append(float(v)), value)
        return jnp.minimum(state, value), jnp.minimum(state, value)

    threshold = lm.Threshold(lambda dtype: jnp.asarray(9, dtype), update)
    tx = lm.landscape_modify(threshold=threshold)
    state = tx.init(None)
    for value in (jnp.nan, 3.0, jnp.inf, -jnp.inf):
        _, state = tx.update(1.0, state, value=value)
    jax.effects_barrier()
    assert np.isfinite(seen).all()
    assert state.c == state.threshold == 3
