"""States and losses that come from other programs' training loops."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

START = {"w": jnp.array([2.0, -1.0])}


def loss_fn(params):
    return jnp.sum(params["w"] ** 2) + 1


def step_with(tx):
    def step(params, state):
        loss, grads = jax.value_and_grad(loss_fn)(params)
        updates, state = tx.update(grads, state, params, value=loss)
        return optax.apply_updates(params, updates), state

    return step


CHAIN = optax.chain(lm.landscape_modify(), optax.sgd(0.1, momentum=0.9))


def test_a_step_is_exported_and_serialized_by_the_leaves_of_its_state():
    pytest.importorskip("flatbuffers")
    state = CHAIN.init(START)
    leaves, tree = jax.tree.flatten(state)

    def step(params, leaves):
        params, state = step_with(CHAIN)(params, jax.tree.unflatten(tree, leaves))
        return params, jax.tree.leaves(state)

    exported = jax.export.export(jax.jit(step))(START, leaves)
    again = jax.export.deserialize(exported.serialize())
    params, leaves = again.call(START, leaves)
    expected, state = jax.jit(step_with(CHAIN))(START, state)
    np.testing.assert_allclose(params["w"], expected["w"], rtol=1e-6)
    assert lm.current(jax.tree.unflatten(tree, leaves)).c == lm.current(state).c == 6
