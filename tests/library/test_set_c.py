"""State holds what was learned: setting c works, and arguments are never kept in it."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

THRESHOLDS = {
    "running_min": lm.running_min,
    "smoothed_min": lambda: lm.smoothed_min(0.5),
    "windowed_min": lambda: lm.windowed_min(3),
}


def steps(tx, state, losses):
    for value in losses:
        _, state = tx.update(jnp.ones(2), state, jnp.ones(2), value=value)
    return state


def tree_set(state, c):
    c = jnp.full_like(lm.current(state).c, c)
    return optax.tree.set(state, c=c)


def whole_state(state, c):
    """As the documentation does it."""
    own = lm.current(state)
    own = own._replace(c=jnp.full_like(own.c, c))
    return optax.tree.set(state, LandscapeModifyState=own)


def replace(state, c):
    front, *rest = state
    return (front._replace(c=jnp.float32(c)), *rest)


def python_number(state, c):
    front, *rest = state
    return (front._replace(c=c), *rest)


@pytest.mark.parametrize("set_c", [whole_state, tree_set, replace, python_number])
@pytest.mark.parametrize("name", THRESHOLDS)
def test_infinity_forgets_everything(name, set_c):
    """What follows is as in a new run, but for the count."""
    tx = optax.chain(lm.landscape_modify(threshold=THRESHOLDS[name]()), optax.sgd(0.1))
    state = steps(tx, tx.init(jnp.ones(2)), [0.5, 0.01])
    reset = steps(tx, set_c(state, np.inf), [5.0, 6.0])
    new = steps(tx, tx.init(jnp.ones(2)), [5.0, 6.0])
    chex.assert_trees_all_equal(
        lm.current(reset)._replace(count=2), lm.current(new)._replace(count=2)
    )
    assert lm.current(reset).c == 5


def test_the_documented_way_leaves_other_states_alone():
    """optax.tree.set(state, c=...) also finds the momentum of a parameter called c."""
    tx = optax.chain(lm.landscape_modify(), optax.sgd(0.1, momentum=0.9))
    params = {"c": jnp.ones(2), "w": jnp.ones(2)}
    _, state = tx.update(params, tx.init(params), params, value=1.0)
    chex.assert_trees_all_equal(whole_state(state, np.inf)[1], state[1])
    assert not np.isfinite(tree_set(state, np.inf)[1][0].trace["c"]).all()


@pytest.mark.parametrize("set_c", [whole_state, tree_set, replace, python_number])
@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_finite_c_counts_as_the_only_loss_so_far(name, set_c):
    tx = optax.chain(lm.landscape_modify(threshold=THRESHOLDS[name]()), optax.sgd(0.1))
    state = set_c(steps(tx, tx.init(jnp.ones(2)), [9.0, 0.01]), 2.0)
    after = steps(tx, state, [4.0])
    assert lm.current(after).c == 2
    np.testing.assert_allclose(lm.current(after).scale, 1 / 3, rtol=1e-6)
    last = lm.current(steps(tx, after, [4.0] * 3)).c
    assert last == (4 if name == "windowed_min" else 2)


def test_setting_c_under_jit_and_vmap_compiles_once_and_survives_a_bad_loss():
    tx = lm.landscape_modify()
    traces = []

    @jax.jit
    @jax.vmap
    def update(state, value):
        traces.append(1)
        return tx.update(1.0, state, value=value)[1]

    state = update(jax.vmap(tx.init)(jnp.zeros(2)), jnp.array([1.0, 2.0]))
    state = optax.tree.set(state, c=jnp.full_like(state.c, jnp.inf))
    state = update(state, jnp.array([jnp.nan, 7.0]))
    np.testing.assert_array_equal(state.c, [np.inf, 7])
    state = update(state, jnp.array([8.0, 9.0]))
    np.testing.assert_array_equal(state.c, [8, 7])
    assert len(traces) == 1


def test_constant_keeps_nothing_in_its_state():
    first = lm.landscape_modify(threshold=lm.constant(1.0))
    then = lm.landscape_modify(threshold=lm.constant(0.25))
    state = first.init(0.0)
    assert not jax.tree.leaves(state.threshold)
    for tx, c in ((first, 1.0), (then, 0.25)):
        _, state = tx.update(1.0, state, value=3.0)
        assert state.c == c


def test_constant_after_another_threshold():
    before, then = lm.landscape_modify(), lm.landscape_modify(threshold=lm.constant(1))
    _, state = before.update(1.0, before.init(0.0), value=3.0)
    _, after = jax.lax.scan(
        lambda s, v: (then.update(1.0, s, value=v)[1], s.c), state, jnp.ones(3)
    )
    np.testing.assert_array_equal(after, [3, 1, 1])


@pytest.mark.parametrize(("n", "other"), [(5, 3), (3, 5)])
def test_another_n_starts_the_window_anew_from_c(n, other):
    first = lm.landscape_modify(threshold=lm.windowed_min(n))
    then = lm.landscape_modify(threshold=lm.windowed_min(other))
    state = steps(first, first.init(0.0), [5.0, 4.0, 3.0, 2.0, 1.0])
    got = []
    for value in range(10, 20):
        state = steps(then, state, [float(value)])
        got.append(float(state.c))
    window = [1.0, *map(float, range(10, 20))]
    expected = [min(window[max(0, i + 1 - other) : i + 1]) for i in range(1, 11)]
    assert got == expected


@pytest.mark.parametrize("then", THRESHOLDS)
@pytest.mark.parametrize("first", [*THRESHOLDS, "constant"])
def test_the_state_of_another_threshold_is_refused(first, then):
    if first == then:
        return
    before = {**THRESHOLDS, "constant": lambda: lm.constant(1.0)}[first]()
    state = lm.landscape_modify(threshold=before).init(0.0)
    tx = lm.landscape_modify(threshold=THRESHOLDS[then]())
    with pytest.raises(ValueError, match="state was made with another threshold"):
        tx.update(1.0, state, value=1.0)


@pytest.mark.promotes
def test_changing_the_threshold_of_a_run_as_the_error_says():
    before = optax.chain(lm.landscape_modify(), optax.adam(0.1))
    after = optax.chain(
        lm.landscape_modify(threshold=lm.windowed_min(2)), optax.adam(0.1)
    )
    w = jnp.ones(2)
    state = steps(before, before.init(w), [3.0, 2.0])
    state = optax.tree.set(state, LandscapeModifyState=lm.current(after.init(w)))
    state = steps(after, state, [1.0])
    assert lm.current(state).c == 1
    assert optax.tree.get(state[1], "ScaleByAdamState").count == 3


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "state must be the LandscapeModifyState"),
        ({}, "state must be the LandscapeModifyState"),
        (optax.adam(0.1).init(jnp.ones(2)), "state must be the LandscapeModifyState"),
        (
            jax.vmap(lm.landscape_modify().init)(jnp.ones(2)),
            r"its c has shape \(2,\).*jax.vmap",
        ),
    ],
)
def test_what_is_no_state_of_ours_is_refused(state, message):
    with pytest.raises(ValueError, match=message):
        lm.landscape_modify().update(jnp.ones(2), state, value=1.0)


def test_an_eager_step_then_a_donated_one():
    """No two fields share a buffer, which donation would refuse."""
    tx = optax.chain(lm.landscape_modify(), optax.sgd(0.1))
    donating = jax.jit(lambda s: steps(tx, s, [1.0]), donate_argnums=0)
    state = steps(tx, tx.init(jnp.ones(2)), [2.0])
    for _ in range(2):
        state = donating(state)
    assert lm.current(state).c == 1
