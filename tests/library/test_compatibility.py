"""The matrix: landscape_modify in each wrapper, loop and mesh, and each remedy.

A test takes some steps through the wrapper and compares c, scale and the parameters
with NumPy by hand, or shows the error that the wrapper's users would meet.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import landmod_jax as lm

pytestmark = pytest.mark.promotes

TARGET = np.arange(1.0, 5.0, dtype=np.float32)
START = {"w": jnp.zeros(4), "b": jnp.full(2, 3.0)}
BATCHES = np.float32([1.0, 2.0, 0.5, 3.0, 1.0, 0.25])
# Three steps, with as many micro-batches or devices as columns.
PAIRS = np.float32([[1.0, 3.0], [0.2, 0.9], [2.0, 4.0]])
QUARTERS = np.float32([[1, 2, 0.5, 0.5], [3, 1, 1, 1], [0.5, 0.1, 0.2, 0.8]])


def loss_fn(params, batch=1.0):
    return (
        jnp.square(params["w"] - TARGET * batch).mean()
        + jnp.square(params["b"]).sum() * batch
    )


def mean_loss(params, batches):
    return jax.vmap(loss_fn, (None, 0))(params, batches).mean()


def by_hand(batches=BATCHES, lr=0.05):
    """SGD on the gradient over (loss - c)₊ + 1; a step takes means over `batch`."""
    w, b, c = np.zeros(4), np.full(2, 3.0), np.inf
    for batch in np.asarray(batches, float):
        x = np.atleast_1d(batch)[:, None]
        loss = (((w - TARGET * x) ** 2).mean(1) + (b**2).sum() * x[:, 0]).mean()
        c = min(c, loss)
        scale = 1 / (loss - c + 1)
        w = w - lr * scale * (2 * (w - TARGET * x) / 4).mean(0)
        b = b - lr * scale * (2 * b * x).mean(0)
    return {"w": w, "b": b}, c, scale


def assert_by_hand(params, state, batches=BATCHES, rtol=1e-4):
    expected, c, scale = by_hand(batches)
    chex.assert_trees_all_close(params, expected, rtol=rtol)
    np.testing.assert_allclose(lm.current(state).c, c, rtol=rtol)
    np.testing.assert_allclose(lm.current(state).scale, scale, rtol=rtol)


def chained(**kwargs):
    return optax.chain(lm.landscape_modify(**kwargs), optax.sgd(0.05))


def advance(tx, params, state, batch, loss=loss_fn):
    value, grads = jax.value_and_grad(loss)(params, batch)
    updates, state = tx.update(grads, state, params, value=value)
    return optax.apply_updates(params, updates), state


def train(tx, params=START, state=None, batches=BATCHES):
    state = tx.init(params) if state is None else state
    step = jax.jit(lambda *carry: advance(tx, *carry))
    for batch in batches:
        params, state = step(params, state, batch)
    return params, state


def scanned(tx, params=START, batches=BATCHES):
    step = lambda carry, batch: (advance(tx, *carry, batch), None)
    return jax.lax.scan(step, (params, tx.init(params)), batches)[0]


def two_groups(tx):
    return optax.partition({"a": tx, "z": tx}, {"w": "a", "b": "z"})


def always(wrap):
    tx = wrap(lm.landscape_modify(), lambda step: step >= 0)
    return optax.chain(tx, optax.sgd(0.05))


ONE_STEP = optax.MultiSteps(chained(), 1)
PASSING = {
    "chain": chained(),
    "named_chain": optax.named_chain(
        ("lm", lm.landscape_modify()), ("sgd", optax.sgd(0.05))
    ),
    "masked": optax.masked(chained(), {"w": True, "b": True}),
    "flatten": optax.flatten(chained()),
    "conditionally_transform": always(optax.transforms.conditionally_transform),
    "apply_if_finite": optax.apply_if_finite(chained(), 3),
    "partition, LM outside": optax.chain(
        lm.landscape_modify(), two_groups(optax.sgd(0.05))
    ),
    "inject_hyperparams of LM": optax.chain(
        optax.inject_hyperparams(
            lm.landscape_modify, static_args=("f", "threshold", "axis_name")
        )(f="linear", eps=1.0),
        optax.sgd(0.05),
    ),
    "MultiSteps of 1": ONE_STEP,
    "MultiSteps of 1 in a chain": optax.chain(
        optax.GradientTransformationExtraArgs(ONE_STEP.init, ONE_STEP.update)
    ),
    "accumulate of 1": lm.accumulate(chained(), 1),
}


@pytest.mark.parametrize("name", PASSING)
def test_value_passes(name):
    assert_by_hand(*train(PASSING[name]))


@pytest.mark.parametrize("name", ["chain", "apply_if_finite", "accumulate of 1"])
def test_a_bad_loss_in_any_wrapper_leaves_c_finite_and_right(name):
    tx = PASSING[name]
    state, update = tx.init(START), jax.jit(tx.update)
    for value in np.float32([3.0, np.nan, 2.0, np.inf, -np.inf]):
        updates, state = update(START, state, START, value=value)
        if not np.isfinite(value):
            assert lm.current(state).scale == 0
            chex.assert_trees_all_equal(updates, jax.tree.map(jnp.zeros_like, START))
    assert lm.current(state).c == 2
    assert lm.current(state).count == 5


def test_apply_if_finite_still_sees_a_nan_gradient():
    tx = PASSING["apply_if_finite"]
    grads = jax.tree.map(lambda p: p * jnp.nan, START)
    updates, state = tx.update(grads, tx.init(START), START, value=jnp.nan)
    assert state.notfinite_count == 1
    chex.assert_tree_all_finite(updates)
    assert lm.current(state).c == np.finfo(np.float32).max


def test_schedule_free_passes():
    _, state = train(optax.contrib.schedule_free(chained(), 0.05, b1=0.9))
    assert lm.current(state).count == len(BATCHES)
    assert np.isfinite(lm.current(state).c)


def test_partition_keeps_a_c_for_each_group_and_sees_one_value():
    params, state = train(two_groups(chained()))
    assert_by_hand(params, state.inner_states["a"])
    with pytest.raises(ValueError, match="2 LandscapeModifyStates"):
        lm.current(state)


def test_inject_hyperparams_without_static_args_takes_f_for_a_schedule():
    with pytest.raises(ValueError, match=r"f must be .* in its static_args"):
        optax.inject_hyperparams(lm.landscape_modify)(f=lambda u: u, eps=1.0).init(
            START
        )


def test_multisteps_hands_on_the_last_value_only():
    _, state = train(optax.MultiSteps(chained(), 2), batches=PAIRS.ravel())
    assert abs(lm.current(state).c - by_hand(PAIRS)[1]) > 0.1


def test_accumulate_is_the_large_batch():
    params, state = train(lm.accumulate(chained(), 2), batches=PAIRS.ravel())
    assert_by_hand(params, state, PAIRS, rtol=1e-5)
    assert lm.current(state).count == len(PAIRS)


def test_accumulate_under_scan_with_a_bad_micro_batch_skips_that_step():
    tx = lm.accumulate(chained(), 2)

    def step(carry, added):
        loss = lambda params, batch: loss_fn(params) + batch
        carry = advance(tx, *carry, added, loss)
        return carry, lm.current(carry[1]).c

    added = jnp.array([0.0, 0.0, jnp.inf, 0.0, 0.0, 0.0])
    (params, _), c = jax.lax.scan(step, (START, tx.init(START)), added)
    assert c[1] == c[2] == c[3] > c[5]
    chex.assert_tree_all_finite(params)


def test_wrappers_that_reject_value_or_drop_it_say_so():
    split = optax.contrib.split_real_and_imaginary(chained())
    with pytest.raises(TypeError, match="value"):
        split.update(START, split.init(START), START, value=1.0)
    lookahead = optax.lookahead(chained(), 5, 0.5)
    params = optax.LookaheadParams.init_synced(START)
    with pytest.raises(TypeError, match="value"):
        lookahead.update(START, lookahead.init(params), params, value=1.0)
    with pytest.raises(ValueError, match="needs the loss"):
        train(optax.chain(ONE_STEP.gradient_transformation()))


def test_lookahead_behind_lm():
    tx = optax.chain(lm.landscape_modify(), optax.lookahead(optax.sgd(0.05), 100, 0.5))
    params = optax.LookaheadParams.init_synced(START)
    state = tx.init(params)
    for batch in BATCHES:
        value, grads = jax.value_and_grad(loss_fn)(params.fast, batch)
        updates, state = tx.update(grads, state, params, value=value)
        params = optax.apply_updates(params, updates)
    assert_by_hand(params.fast, state)


def test_sam_modifies_its_gradient_outside():
    """Sharpness-aware minimization drops value; the remedy of the documentation."""
    adversary = optax.chain(optax.contrib.normalize(), optax.sgd(0.01))
    sam = lambda tx: optax.contrib.sam(tx, adversary, opaque_mode=True)
    grad_fn = jax.grad(lambda params, _: loss_fn(params))
    with pytest.raises((TypeError, ValueError), match=r"value|needs the loss"):
        sam(chained()).update(
            START, sam(chained()).init(START), START, value=1.0, grad_fn=grad_fn
        )
    inner, outer, params = sam(optax.identity()), chained(), START
    inner_state, outer_state = inner.init(params), outer.init(params)
    for _ in range(3):
        value, grads = jax.value_and_grad(loss_fn)(params)
        grads, inner_state = inner.update(grads, inner_state, params, grad_fn=grad_fn)
        updates, outer_state = outer.update(grads, outer_state, params, value=value)
        params = optax.apply_updates(params, updates)
    assert lm.current(outer_state).count == 3
    assert loss_fn(params) < loss_fn(START)


def test_flax_train_state_needs_the_update_written_out():
    train_state = pytest.importorskip("flax.training.train_state")
    state = train_state.TrainState.create(apply_fn=None, params=START, tx=chained())
    with pytest.raises(ValueError, match="needs the loss"):
        state.apply_gradients(grads=START)
    for batch in BATCHES:
        params, opt_state = advance(state.tx, state.params, state.opt_state, batch)
        state = state.replace(step=state.step + 1, params=params, opt_state=opt_state)
    assert_by_hand(state.params, state)


def test_flax_nnx_optimizer_passes_value():
    nnx = pytest.importorskip("flax.nnx")

    class Model(nnx.Module):
        def __init__(self):
            self.w, self.b = nnx.Param(START["w"]), nnx.Param(START["b"])

    model = Model()
    optimizer = nnx.Optimizer(model, chained(), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, batch):
        loss = lambda model: loss_fn({"w": model.w[...], "b": model.b[...]}, batch)
        value, grads = nnx.value_and_grad(loss)(model)
        optimizer.update(model, grads, value=value)

    for batch in BATCHES:
        step(model, optimizer, batch)
    assert_by_hand({"w": model.w[...], "b": model.b[...]}, optimizer)
    state = lm.current(optimizer)
    assert all(isinstance(leaf, jax.Array) for leaf in state[:3])
    assert f"{state.c:.3f} {state.count}" == f"{by_hand()[1]:.3f} {len(BATCHES)}"


def test_scan_is_the_loop():
    assert_by_hand(*jax.jit(lambda: scanned(chained()))())


def test_vmap_over_seeds_keeps_a_c_for_each():
    rows = np.float32([1.0, 2.0, 0.1])[:, None] * BATCHES
    results = jax.vmap(lambda batches: scanned(chained(), batches=batches))(rows)
    for i, batches in enumerate(rows):
        assert_by_hand(*jax.tree.map(lambda x, i=i: x[i], results), batches)


def four_devices():
    auto = (jax.sharding.AxisType.Auto,)
    return jax.make_mesh((4,), ("i",), devices=jax.devices()[:4], axis_types=auto)


def test_pmap():
    """Gradients are averaged here, the loss by axis_name."""
    tx = chained(axis_name="i")

    def step(params, state, batch):
        value, grads = jax.value_and_grad(loss_fn)(params, batch)
        grads = jax.lax.pmean(grads, "i")
        updates, state = tx.update(grads, state, params, value=value)
        return optax.apply_updates(params, updates), state

    step = jax.pmap(step, axis_name="i")
    carry = jax.tree.map(lambda x: jnp.stack([x] * 4), (START, tx.init(START)))
    for batches in QUARTERS:
        carry = step(*carry, batches)
    for i in range(4):
        assert_by_hand(*jax.tree.map(lambda x, i=i: x[i], carry), QUARTERS, 1e-5)
    assert np.ptp(lm.current(carry[1]).c) == 0


def test_shard_map():
    # pmean inside the loss: with checked replication gradients arrive summed.
    mean = lambda params, batch: jax.lax.pmean(loss_fn(params, batch[0]), "i")
    tx = chained()
    everywhere, spread = PartitionSpec(), PartitionSpec("i")
    step = jax.jit(
        jax.shard_map(
            lambda *carry: advance(tx, *carry, mean),
            mesh=four_devices(),
            in_specs=(everywhere, everywhere, spread),
            out_specs=(everywhere, everywhere),
        )
    )
    carry = START, tx.init(START)
    for batches in QUARTERS:
        carry = step(*carry, batches)
    assert_by_hand(*carry, QUARTERS, 1e-5)


def test_jit_over_a_mesh_with_sharded_batches_and_parameters():
    tx, mesh = chained(), four_devices()
    spread = NamedSharding(mesh, PartitionSpec("i"))
    everywhere = NamedSharding(mesh, PartitionSpec())
    params = jax.device_put(START, {"w": spread, "b": everywhere})
    carry = params, jax.jit(tx.init)(params)
    step = jax.jit(lambda *carry: advance(tx, *carry, mean_loss))
    for batches in QUARTERS:
        carry = step(*carry, jax.device_put(batches, spread))
    assert_by_hand(*carry, QUARTERS, 1e-5)


def test_orbax_round_trip_continues_the_run(tmp_path):
    ocp = pytest.importorskip("orbax.checkpoint")
    window = lm.landscape_modify(threshold=lm.windowed_min(3))
    tx = optax.chain(window, optax.adam(0.05))
    carry = train(tx, batches=BATCHES[:3])
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "at_3", carry)
    with ocp.StandardCheckpointer() as checkpointer:
        carry = checkpointer.restore(tmp_path / "at_3", jax.eval_shape(lambda: carry))
    params, state = train(tx, *carry, batches=BATCHES[3:])
    expected, whole = train(tx)
    chex.assert_trees_all_close(params, expected, rtol=1e-5)
    chex.assert_trees_all_close(lm.current(state), lm.current(whole), rtol=1e-5)
