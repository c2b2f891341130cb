"""JAX's own tools work on the library: disable_jit, debug_infs, ranks, leaks."""

import copy
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


@pytest.mark.parametrize("name", ["running_min", "smoothed_min", "windowed_min"])
def test_debug_infs_finds_no_infinity_of_ours(name):
    tx = lm.landscape_modify(threshold=THRESHOLDS[name]())
    tx = lm.accumulate(optax.chain(tx, optax.sgd(0.1)), 2)
    w = jnp.ones(3)
    update = jax.jit(lambda s, v: tx.update(w, s, w, value=v)[1])
    with jax.debug_infs(True), jax.debug_nans(True):
        state = tx.init(w)
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
    h = lm.landscape(jnp.arange(3.0), 0.5, 1.0, "bounded")
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
        for f in ("sqrt", "bounded", double):
            lm.landscape(W, 0.5, jnp.ones(2), f)


@pytest.mark.parametrize("made", [THRESHOLDS, SHAPES], ids=["thresholds", "shapes"])
def test_equal_ones_are_equal_and_can_be_pickled(made):
    for name, make in made.items():
        one = make()
        assert one == make()
        assert hash(one) == hash(make())
        for other in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
            assert other == one
        assert all(one != made[n]() for n in made if n != name)
    assert lm.smoothed_min(0.5) != lm.smoothed_min(0.25)
    assert lm.bounded(1.0, 2.0) != lm.bounded(1.0, 2.0000001)


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
        seen.append(float(value))
        return jnp.minimum(state, value), jnp.minimum(state, value)

    threshold = lm.Threshold(lambda dtype: jnp.asarray(9, dtype), update)
    tx = lm.landscape_modify(threshold=threshold)
    state = tx.init(None)
    for value in (jnp.nan, 3.0, jnp.inf, -jnp.inf):
        _, state = tx.update(1.0, state, value=value)
    assert np.isfinite(seen).all()
    assert state.c == state.threshold == 3
