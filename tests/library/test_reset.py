"""State holds what was learned, never arguments; `reset` makes it forget."""

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

import landmod_jax as lm
from tests.library.cases import THRESHOLDS

LEARNING = [name for name in THRESHOLDS if name != "constant"]
WINDOW = lm.windowed_min(2)


def steps(tx, state, losses):
    for value in losses:
        _, state = tx.update(jnp.ones(2), state, jnp.ones(2), value=value)
    return state


@pytest.mark.parametrize("name", LEARNING)
def test_reset_forgets_every_loss(name):
    """What follows is as in a new run, but for the count."""
    tx = optax.chain(lm.landscape_modify(threshold=THRESHOLDS[name]), optax.sgd(0.1))
    w = jnp.ones(2)
    state = steps(tx, tx.init(w), [0.5, 0.01])
    reset = jax.jit(lambda state: lm.reset(tx, state, w))
    again = steps(tx, reset(state), [5.0, 6.0])
    new = steps(tx, tx.init(w), [5.0, 6.0])
    assert lm.current(again).count == 4
    chex.assert_trees_all_equal(
        lm.current(again)._replace(count=2), lm.current(new)._replace(count=2)
    )


@pytest.mark.promotes
def test_reset_leaves_other_states_alone():
    """optax.tree.set(state, c=...) would also find the momentum of a parameter c."""
    tx = optax.chain(lm.landscape_modify(), optax.adam(0.1))
    params = {"c": jnp.ones(2), "w": jnp.ones(2)}
    _, state = tx.update(params, tx.init(params), params, value=1.0)
    chex.assert_trees_all_equal(lm.reset(tx, state, params)[1], state[1])


@pytest.mark.promotes
def test_reset_of_several_states_in_wrappers():
    groups = {"a": lm.landscape_modify(), "b": lm.landscape_modify(threshold=WINDOW)}
    tx = lm.accumulate(optax.partition(groups, {"v": "a", "w": "b"}), 1)
    params = {"v": jnp.ones(2), "w": jnp.ones(2)}
    _, state = tx.update(params, tx.init(params), params, value=1.0)
    _, state = tx.update(params, lm.reset(tx, state, params), params, value=7.0)
    found = optax.tree.get_all_with_path(state, "LandscapeModifyState")
    assert [float(s.c) for _, s in found] == [7, 7]


def test_reset_says_what_is_wrong():
    tx, w = optax.chain(lm.landscape_modify(), optax.adam(0.1)), jnp.ones(2)
    state = tx.init(w)
    with pytest.raises(ValueError, match="no LandscapeModifyState"):
        lm.reset(tx, optax.adam(0.1).init(w), w)
    for other in (lm.landscape_modify(), optax.chain(optax.sgd(0.1), optax.adam(0.1))):
        with pytest.raises(ValueError, match="opt_state must be a state of tx"):
            lm.reset(other, state, w)
    with pytest.raises(ValueError, match="tx must be an optax transformation"):
        lm.reset(0.1, state, w)


def test_constant_keeps_nothing_in_its_state():
    first = lm.landscape_modify(threshold=lm.constant(1.0))
    then = lm.landscape_modify(threshold=lm.constant(0.25))
    state = first.init(0.0)
    assert not jax.tree.leaves(state.threshold)
    for tx, c in ((first, 1.0), (then, 0.25)):
        _, state = tx.update(1.0, state, value=3.0)
        assert state.c == c


def test_another_n_needs_a_reset():
    first, then = (lm.landscape_modify(threshold=lm.windowed_min(k)) for k in (5, 3))
    state = steps(first, first.init(0.0), [5.0, 1.0])
    with pytest.raises(ValueError, match=r"landmod_jax\.reset.*n is"):
        steps(then, state, [2.0])
    assert steps(then, lm.reset(then, state, 0.0), [2.0]).c == 2


@pytest.mark.parametrize(
    ("first", "then"),
    [("running_min", "windowed_min"), ("constant", "running_min")],
)
def test_the_state_of_another_threshold_is_refused(first, then):
    state = lm.landscape_modify(threshold=THRESHOLDS[first]).init(0.0)
    tx = lm.landscape_modify(threshold=THRESHOLDS[then])
    with pytest.raises(ValueError, match=r"another threshold, use landmod_jax\.reset"):
        tx.update(1.0, state, value=1.0)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "state must be the LandscapeModifyState"),
        (optax.adam(0.1).init(jnp.ones(2)), "state must be the LandscapeModifyState"),
        (
            {"count": 3, "c": 1.0, "scale": 0.5, "threshold": 1.0, "learned_c": 1.0},
            "states of version 0.2, with learned_c, cannot be used",
        ),
        (jax.vmap(lm.landscape_modify().init)(jnp.ones(2)), "c, a scalar"),
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
