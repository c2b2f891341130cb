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


@pytest.mark.parametrize("with_lm", [True, False], ids=["loses", "gains"])
def test_a_restored_chain_gains_or_loses_lm(tmp_path, with_lm):
    ocp = pytest.importorskip("orbax.checkpoint")
    opt = optax.sgd(0.1, momentum=0.9)
    writer, reader = (CHAIN, opt) if with_lm else (opt, CHAIN)
    # The plain optimizer takes no value; LM's first step is the plain one.
    writer, reader = map(optax.with_extra_args_support, (writer, reader))
    params, state = step_with(writer)(START, writer.init(START))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "at_1", (params, state))
        like = jax.eval_shape(lambda: (params, writer.init(params)))
        checkpointer.wait_until_finished()
        params, state = checkpointer.restore(tmp_path / "at_1", like)
    state = state[1] if with_lm else (lm.landscape_modify().init(params), state)
    assert jax.tree.structure(state) == jax.tree.structure(reader.init(params))
    params, state = step_with(reader)(params, state)
    expected, whole = START, opt.init(START)
    for _ in range(2):
        grads = jax.grad(loss_fn)(expected)
        updates, whole = opt.update(grads, whole, expected)
        expected = optax.apply_updates(expected, updates)
    np.testing.assert_allclose(params["w"], expected["w"], rtol=1e-6)


def test_numpyro_passes_the_loss():
    numpyro = pytest.importorskip("numpyro")
    dist = numpyro.distributions

    def model(x):
        numpyro.sample("x", dist.Normal(numpyro.param("mean", 0.0), 1.0), obs=x)

    svi = numpyro.infer.SVI(
        model, lambda x: None, optax.chain(lm.landscape_modify(), optax.sgd(0.01)),
        numpyro.infer.Trace_ELBO(),
    )  # fmt: skip
    x = jnp.array([1.0, 2.0])
    state = svi.init(jax.random.key(0), x)
    state, loss = svi.update(state, x)
    # −log N(1, 2; mean 0, variance 1).
    np.testing.assert_allclose(loss, np.log(2 * np.pi) + 2.5, rtol=1e-6)
    assert lm.current(state.optim_state).c == loss
    mean = svi.get_params(state)["mean"]
    np.testing.assert_allclose(mean, 0.03, rtol=1e-6)  # 0.01 times the gradient, 3
