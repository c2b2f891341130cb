"""The matrix: landscape_modify in each wrapper, loop and mesh, and each remedy.

A test takes some steps through the wrapper and compares c, scale or the parameters with
the plain chain, or shows the error that the wrapper's users would meet.
"""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import landmod_jax as lm

pytestmark = pytest.mark.promotes

TARGET = jnp.arange(1.0, 5.0)
START = {"w": jnp.zeros(4), "b": jnp.full(2, 3.0)}
STEPS = 6


def loss_fn(params, batch=1.0):
    return jnp.square(params["w"] - TARGET * batch).mean() + jnp.square(
        params["b"]
    ).sum() * jnp.asarray(batch)


BATCHES = jnp.array([1.0, 2.0, 0.5, 3.0, 1.0, 0.25])


def train(tx, params=START, batches=BATCHES):
    state = tx.init(params)

    @jax.jit
    def step(params, state, batch):
        value, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, state = tx.update(grads, state, params, value=value)
        return optax.apply_updates(params, updates), state

    for batch in batches:
        params, state = step(params, state, batch)
    return params, state


def by_hand(lr=0.05, batches=BATCHES):
    """SGD on the gradient over (loss - c)₊ + 1, in NumPy."""
    w, b, c = np.zeros(4), np.full(2, 3.0), np.inf
    target = np.arange(1.0, 5.0)
    for batch in np.asarray(batches, float):
        loss = np.mean((w - target * batch) ** 2) + np.sum(b**2) * batch
        c = min(c, loss)
        scale = 1 / (loss - c + 1)
        w = w - lr * scale * 2 * (w - target * batch) / 4
        b = b - lr * scale * 2 * b * batch
    return {"w": w, "b": b}, c, scale


def chained(*middle, lr=0.05):
    return optax.chain(lm.landscape_modify(), *middle, optax.sgd(lr))


def assert_by_hand(params, state, **kwargs):
    expected, c, scale = by_hand(**kwargs)
    chex.assert_trees_all_close(params, expected, rtol=1e-4)
    np.testing.assert_allclose(lm.current(state).c, c, rtol=1e-4)
    np.testing.assert_allclose(lm.current(state).scale, scale, rtol=1e-4)


PASSING = {
    "chain": chained,
    "named_chain": lambda: optax.named_chain(
        ("lm", lm.landscape_modify()), ("sgd", optax.sgd(0.05))
    ),
    "masked": lambda: optax.masked(chained(), {"w": True, "b": True}),
    "flatten": lambda: optax.flatten(chained()),
    "conditionally_transform": lambda: optax.chain(
        optax.transforms.conditionally_transform(
            lm.landscape_modify(), lambda step: step >= 0
        ),
        optax.sgd(0.05),
    ),
    "conditionally_mask": lambda: optax.chain(
        optax.transforms.conditionally_mask(
            lm.landscape_modify(), lambda step: step >= 0
        ),
        optax.sgd(0.05),
    ),
    "apply_if_finite": lambda: optax.apply_if_finite(chained(), 3),
    "partition, LM outside": lambda: optax.chain(
        lm.landscape_modify(),
        optax.partition(
            {"a": optax.sgd(0.05), "z": optax.sgd(0.05)}, {"w": "a", "b": "z"}
        ),
    ),
    "inject_hyperparams of the optimizer": lambda: optax.chain(
        lm.landscape_modify(), optax.inject_hyperparams(optax.sgd)(0.05)
    ),
    "inject_hyperparams of LM": lambda: optax.chain(
        optax.inject_hyperparams(
            lm.landscape_modify, static_args=("f", "threshold", "axis_name")
        )(f="linear", eps=1.0),
        optax.sgd(0.05),
    ),
    "inject_hyperparams of both": lambda: optax.inject_hyperparams(
        lambda eps, lr: optax.chain(lm.landscape_modify(eps=eps), optax.sgd(lr))
    )(eps=1.0, lr=0.05),
    "MultiSteps of 1": lambda: optax.MultiSteps(chained(), 1),
    "accumulate of 1": lambda: lm.accumulate(chained(), 1),
    "our own optimizer": lambda: lm.torch_optim.sgd(
        0.05, landscape=lm.landscape_modify()
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_value_passes(name):
    assert_by_hand(*train(PASSING[name]()))


def test_schedule_free_passes():
    tx = optax.contrib.schedule_free(chained(lr=0.05), 0.05, b1=0.9)
    _, state = train(tx)
    current = lm.current(state)
    assert int(current.count) == STEPS
    assert np.isfinite(current.c)


def test_partition_keeps_a_c_for_each_group_and_sees_one_value():
    tx = optax.partition({"a": chained(), "z": chained()}, {"w": "a", "b": "z"})
    params, state = train(tx)
    expected, c, _ = by_hand()
    chex.assert_trees_all_close(params, expected, rtol=1e-4)
    with pytest.raises(ValueError, match="2 LandscapeModifyStates"):
        lm.current(state)
    np.testing.assert_allclose(lm.current(state.inner_states["a"]).c, c, rtol=1e-4)


def test_inject_hyperparams_reads_and_writes_eps():
    tx = PASSING["inject_hyperparams of LM"]()
    state = tx.init(START)
    state[0].hyperparams["eps"] = jnp.float32(0.5)
    _, state = tx.update(START, state, START, value=1.0)
    assert lm.current(state).scale == 2


def test_inject_hyperparams_without_static_args_takes_f_for_a_schedule():
    with pytest.raises(ValueError, match=r"f must be .* in its static_args"):
        optax.inject_hyperparams(lm.landscape_modify)(f=lambda u: u, eps=1.0).init(
            START
        )


MICRO = jnp.array([[1.0, 3.0], [0.2, 0.9], [2.0, 4.0]])


def train_on_micro_batches(tx):
    state, params = tx.init(START), START
    for batch in MICRO.ravel():
        value, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, state = tx.update(grads, state, params, value=value)
        params = optax.apply_updates(params, updates)
    return params, state


def train_on_large_batches():
    tx, params = chained(), START
    state = tx.init(params)
    for pair in MICRO:
        mean_loss = lambda p, pair=pair: (loss_fn(p, pair[0]) + loss_fn(p, pair[1])) / 2
        value, grads = jax.value_and_grad(mean_loss)(params)
        updates, state = tx.update(grads, state, params, value=value)
        params = optax.apply_updates(params, updates)
    return params, state


def test_multisteps_hands_on_the_last_value_only():
    _, state = train_on_micro_batches(optax.MultiSteps(chained(), 2))
    _, large = train_on_large_batches()
    assert abs(lm.current(state).c - lm.current(large).c) > 0.1


def test_accumulate_is_the_large_batch():
    params, state = train_on_micro_batches(lm.accumulate(chained(), 2))
    expected, large = train_on_large_batches()
    chex.assert_trees_all_close(params, expected, rtol=1e-6, atol=1e-6)
    chex.assert_trees_all_close(
        lm.current(state)._replace(threshold=0),
        lm.current(large)._replace(threshold=0),
        rtol=1e-6,
    )
    assert int(lm.current(state).count) == len(MICRO)


def test_accumulate_under_scan_with_a_bad_micro_batch_skips_that_step():
    tx = lm.accumulate(chained(), 2)

    def step(carry, batch):
        params, state = carry
        value, grads = jax.value_and_grad(loss_fn)(params, 1.0)
        grads = jax.tree.map(lambda g: g * batch, grads)
        updates, state = tx.update(grads, state, params, value=value / (batch > 0))
        return (optax.apply_updates(params, updates), state), lm.current(state).c

    batches = jnp.array(
        [1.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    )  # the third has an infinite loss
    (params, _), c = jax.lax.scan(step, (START, tx.init(START)), batches)
    assert np.isfinite(c[1:]).all()
    assert c[3] == c[1]
    chex.assert_tree_all_finite(params)


@pytest.mark.parametrize("every", [0, -1, 2.0, None])
def test_accumulate_names_a_wrong_count(every):
    with pytest.raises(ValueError, match="every must be an integer of at least 1"):
        lm.accumulate(chained(), every)


def test_accumulate_without_value_says_what_to_write():
    tx = lm.accumulate(chained(), 2)
    with pytest.raises(ValueError, match="value=loss"):
        tx.update(START, tx.init(START), START)


def test_accumulate_and_our_optimizers_name_integer_leaves_and_masking_helps():
    params = {"w": jnp.ones(2), "steps": jnp.arange(3)}
    makes = (
        lm.torch_optim.sgd,
        lm.torch_optim.adam,
        lm.torch_optim.adagrad,
        lm.torch_optim.rmsprop,
        lambda: lm.accumulate(chained(), 1),
    )
    for make in makes:
        with pytest.raises(ValueError, match=r"\['steps'\] has dtype int32.*masked"):
            make().init(params)
        with pytest.raises(ValueError, match=r"\['steps'\] has dtype float0"):
            make().init({"w": jnp.ones(2), "steps": np.zeros(3, jax.dtypes.float0)})
        tx = optax.masked(make(), {"w": True, "steps": False})
        updates, _ = tx.update(params, tx.init(params), params, value=1.0)
        assert (updates["w"] < 0).all()
        assert updates["steps"] is params["steps"]


def test_split_real_and_imaginary_rejects_value_and_the_remedy_does_not():
    split = optax.contrib.split_real_and_imaginary
    around = split(chained())
    with pytest.raises(TypeError, match="value"):
        around.update(START, around.init(START), START, value=1.0)
    assert_by_hand(*train(optax.chain(lm.landscape_modify(), split(optax.sgd(0.05)))))


NEEDS = "needs the loss"


def test_multisteps_as_a_transformation_drops_value_and_the_remedy_does_not():
    multi = optax.MultiSteps(chained(), 1)
    dropping = optax.chain(multi.gradient_transformation())
    with pytest.raises(ValueError, match=NEEDS):
        train(dropping)
    remedy = optax.chain(
        optax.GradientTransformationExtraArgs(multi.init, multi.update)
    )
    assert_by_hand(*train(remedy))


def test_lookahead_around_lm_rejects_value_and_the_remedy_does_not():
    around = optax.lookahead(chained(), 5, 0.5)
    params = optax.LookaheadParams.init_synced(START)
    with pytest.raises(TypeError, match="value"):
        around.update(START, around.init(params), params, value=1.0)
    tx = optax.chain(lm.landscape_modify(), optax.lookahead(optax.sgd(0.05), 100, 0.5))
    params = optax.LookaheadParams.init_synced(START)
    state = tx.init(params)
    for batch in BATCHES:
        value, grads = jax.value_and_grad(loss_fn)(params.fast, batch)
        updates, state = tx.update(grads, state, params, value=value)
        params = optax.apply_updates(params, updates)
    assert_by_hand(params.fast, state)


def test_sam_needs_a_wrapper_of_three_lines():
    """Sharpness-aware minimization: its inner update gets the loss from a closure."""
    sam = optax.contrib.sam(
        chained(),
        optax.chain(optax.contrib.normalize(), optax.sgd(0.01)),
        opaque_mode=True,
    )
    grad_fn = jax.grad(lambda params, _: loss_fn(params))
    with pytest.raises((TypeError, ValueError), match=r"value|needs the loss"):
        sam.update(START, sam.init(START), START, value=1.0, grad_fn=grad_fn)
    # Remedy: modify the gradient that SAM returns, outside of it.
    inner = optax.contrib.sam(
        optax.identity(),
        optax.chain(optax.contrib.normalize(), optax.sgd(0.01)),
        opaque_mode=True,
    )
    outer, params = chained(), START
    inner_state, outer_state = inner.init(params), outer.init(params)
    for _ in range(3):
        value, grads = jax.value_and_grad(loss_fn)(params)
        grads, inner_state = inner.update(grads, inner_state, params, grad_fn=grad_fn)
        updates, outer_state = outer.update(grads, outer_state, params, value=value)
        params = optax.apply_updates(params, updates)
    assert int(lm.current(outer_state).count) == 3
    assert loss_fn(params) < loss_fn(START)


def test_flax_train_state_needs_the_update_written_out():
    train_state = pytest.importorskip("flax.training.train_state")
    state = train_state.TrainState.create(apply_fn=None, params=START, tx=chained())
    with pytest.raises(ValueError, match=NEEDS):
        state.apply_gradients(grads=START)

    class WithValue(train_state.TrainState):
        def apply_gradients(self, *, grads, value):
            updates, opt_state = self.tx.update(
                grads, self.opt_state, self.params, value=value
            )
            return self.replace(
                step=self.step + 1,
                params=optax.apply_updates(self.params, updates),
                opt_state=opt_state,
            )

    state = WithValue.create(apply_fn=None, params=START, tx=chained())
    for batch in BATCHES:
        value, grads = jax.value_and_grad(loss_fn)(state.params, batch)
        state = state.apply_gradients(grads=grads, value=value)
    assert_by_hand(state.params, state.opt_state)
    assert lm.current(state).count == STEPS


def test_flax_nnx_optimizer_passes_value():
    nnx = pytest.importorskip("flax.nnx")

    class Model(nnx.Module):
        def __init__(self):
            self.w, self.b = nnx.Param(START["w"]), nnx.Param(START["b"])

    model = Model()
    optimizer = nnx.Optimizer(model, chained(), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, batch):
        def loss(model):
            return loss_fn({"w": model.w[...], "b": model.b[...]}, batch)

        value, grads = nnx.value_and_grad(loss)(model)
        optimizer.update(model, grads, value=value)

    for batch in BATCHES:
        step(model, optimizer, batch)
    params = {"w": model.w[...], "b": model.b[...]}
    expected, c, _ = by_hand()
    chex.assert_trees_all_close(params, expected, rtol=1e-4)
    np.testing.assert_allclose(
        jnp.asarray(lm.current(optimizer.opt_state).c), c, rtol=1e-4
    )


def test_equinox_modules_are_trees_like_any_other():
    eqx = pytest.importorskip("equinox")
    model = eqx.nn.Linear(4, 1, key=jax.random.key(0))
    tx = chained()
    state = tx.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(model, state):
        loss = lambda m: jnp.square(m(TARGET) - 3).sum()
        value, grads = eqx.filter_value_and_grad(loss)(model)
        updates, state = tx.update(grads, state, model, value=value)
        return eqx.apply_updates(model, updates), state, value

    values = []
    for _ in range(5):
        model, state, value = step(model, state)
        values.append(value)
    np.testing.assert_allclose(lm.current(state).c, min(values))


def scan_train(params, batches=BATCHES, tx=None):
    tx = tx or chained()

    def step(carry, batch):
        params, state = carry
        value, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, state = tx.update(grads, state, params, value=value)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, tx.init(params)), batches)[0]


def test_lax_scan():
    assert_by_hand(*jax.jit(scan_train)(START))


@pytest.mark.parametrize(
    "threshold",
    [lm.constant(0.5), lm.smoothed_min(), lm.windowed_min(3)],
    ids=["constant", "smoothed_min", "windowed_min"],
)
def test_every_threshold_under_scan_cond_and_vmap(threshold):
    tx = optax.chain(lm.landscape_modify(threshold=threshold), optax.sgd(0.05))
    plain = train(tx)[0]
    scanned = jax.jit(functools.partial(scan_train, tx=tx))(START)[0]
    chex.assert_trees_all_close(plain, scanned, rtol=1e-5)

    def maybe(flag, state):
        step = lambda s: tx.update(START, s, START, value=2.0)[1]
        return jax.lax.cond(flag, step, lambda s: s, state)

    states = jax.vmap(maybe, in_axes=(0, None))(
        jnp.array([True, False]), tx.init(START)
    )
    np.testing.assert_array_equal(lm.current(states).count, [1, 0])


def test_vmap_over_seeds_keeps_a_c_for_each():
    scales = jnp.array([1.0, 2.0, 0.1])
    params, state = jax.vmap(scan_train, in_axes=(None, 0))(
        START, scales[:, None] * BATCHES
    )
    for i, factor in enumerate(np.asarray(scales)):
        expected, c, _ = by_hand(batches=factor * np.asarray(BATCHES))
        chex.assert_trees_all_close(
            jax.tree.map(lambda p, i=i: p[i], params), expected, rtol=1e-4
        )
        np.testing.assert_allclose(lm.current(state).c[i], c, rtol=1e-4)


def four_devices():
    return jax.make_mesh(
        (4,),
        ("i",),
        devices=jax.devices()[:4],
        axis_types=(jax.sharding.AxisType.Auto,),
    )


SPREAD = jnp.array([[1.0, 2.0, 0.5, 0.5], [3.0, 1.0, 1.0, 1.0], [0.5, 0.1, 0.2, 0.8]])


def spread_by_hand():
    tx, params = chained(), START
    state = tx.init(params)
    for batches in SPREAD:
        mean = lambda p, batches=batches: jax.vmap(loss_fn, (None, 0))(
            p, batches
        ).mean()
        value, grads = jax.value_and_grad(mean)(params)
        updates, state = tx.update(grads, state, params, value=value)
        params = optax.apply_updates(params, updates)
    return params, lm.current(state)


def spread_step(tx, params, state, batch):
    value, grads = jax.value_and_grad(loss_fn)(params, batch)
    grads = jax.lax.pmean(grads, "i")
    updates, state = tx.update(grads, state, params, value=value)
    return optax.apply_updates(params, updates), state


def test_pmap():
    tx = optax.chain(lm.landscape_modify(axis_name="i"), optax.sgd(0.05))
    step = jax.pmap(functools.partial(spread_step, tx), axis_name="i")
    params, state = jax.tree.map(lambda x: jnp.stack([x] * 4), (START, tx.init(START)))
    for batches in SPREAD:
        params, state = step(params, state, batches)
    expected, current = spread_by_hand()
    for replica in range(4):
        chex.assert_trees_all_close(
            jax.tree.map(lambda p, r=replica: p[r], params), expected, rtol=1e-5
        )
    assert np.ptp(lm.current(state).c) == 0
    np.testing.assert_allclose(lm.current(state).c[0], current.c, rtol=1e-5)


def test_shard_map():
    tx = optax.chain(lm.landscape_modify(), optax.sgd(0.05))
    mesh = four_devices()

    def local(params, state, batch):
        # pmean inside the loss: with checked replication gradients arrive summed.
        mean = lambda p: jax.lax.pmean(loss_fn(p, batch[0]), "i")
        value, grads = jax.value_and_grad(mean)(params)
        updates, state = tx.update(grads, state, params, value=value)
        return optax.apply_updates(params, updates), state

    everywhere, spread = PartitionSpec(), PartitionSpec("i")
    step = jax.jit(
        jax.shard_map(
            local,
            mesh=mesh,
            in_specs=(everywhere, everywhere, spread),
            out_specs=(everywhere, everywhere),
        )
    )
    params, state = START, tx.init(START)
    for batches in SPREAD:
        params, state = step(params, state, batches)
    expected, current = spread_by_hand()
    chex.assert_trees_all_close(params, expected, rtol=1e-5)
    np.testing.assert_allclose(lm.current(state).c, current.c, rtol=1e-5)


def test_jit_over_a_mesh_with_sharded_batches_and_parameters():
    tx = chained()
    mesh = four_devices()
    spread = NamedSharding(mesh, PartitionSpec("i"))
    everywhere = NamedSharding(mesh, PartitionSpec())

    @jax.jit
    def step(params, state, batches):
        mean = lambda p: jax.vmap(loss_fn, (None, 0))(p, batches).mean()
        value, grads = jax.value_and_grad(mean)(params)
        updates, state = tx.update(grads, state, params, value=value)
        return optax.apply_updates(params, updates), state

    params = jax.device_put(START, {"w": spread, "b": everywhere})
    state = jax.jit(tx.init)(params)
    for batches in SPREAD:
        params, state = step(params, state, jax.device_put(batches, spread))
    expected, current = spread_by_hand()
    chex.assert_trees_all_close(params, expected, rtol=1e-5)
    np.testing.assert_allclose(lm.current(state).c, current.c, rtol=1e-5)


def test_float64():
    with jax.enable_x64(True):
        params = jax.tree.map(lambda p: p.astype(jnp.float64), START)
        target = np.arange(1.0, 5.0)
        tx = chained()
        state = tx.init(params)
        for batch in np.asarray(BATCHES, float):
            value, grads = jax.value_and_grad(
                lambda p, batch=batch: (
                    jnp.square(p["w"] - target * batch).mean()
                    + jnp.square(p["b"]).sum() * batch
                )
            )(params)
            updates, state = tx.update(grads, state, params, value=value)
            params = optax.apply_updates(params, updates)
        expected, c, scale = by_hand()
        chex.assert_trees_all_close(params, expected, rtol=1e-12)
        np.testing.assert_allclose(lm.current(state).c, c, rtol=1e-12)
        np.testing.assert_allclose(lm.current(state).scale, scale, rtol=1e-12)


def test_bfloat16_parameters():
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), START)
    params, state = train(chained(), params)
    assert {p.dtype for p in jax.tree.leaves(params)} == {jnp.dtype("bfloat16")}
    assert lm.current(state).c.dtype == jnp.float32
    chex.assert_trees_all_close(
        jax.tree.map(lambda p: p.astype(jnp.float32), params), by_hand()[0], rtol=0.05
    )


def test_complex_parameters():
    """The modified step is the plain step times the scale."""
    z = jnp.array([1 + 2j, -1j], jnp.complex64)
    value, grads = jax.value_and_grad(lambda z: jnp.square(jnp.abs(z - 3)).sum())(z)
    tx = optax.chain(
        lm.landscape_modify(threshold=lm.constant(float(value) - 3)), optax.sgd(0.1)
    )
    updates, _ = tx.update(grads, tx.init(z), z, value=value)
    np.testing.assert_allclose(updates, -0.1 * grads / 4, rtol=1e-5)


def test_orbax_round_trip_continues_the_run(tmp_path):
    ocp = pytest.importorskip("orbax.checkpoint")
    tx = optax.chain(
        lm.landscape_modify(threshold=lm.windowed_min(3)), optax.adam(0.05)
    )
    params, state = train(tx, batches=BATCHES[:3])
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "at_3", (params, state))
    with ocp.StandardCheckpointer() as checkpointer:
        params, state = checkpointer.restore(
            tmp_path / "at_3", jax.eval_shape(lambda: (params, state))
        )
    for batch in BATCHES[3:]:
        value, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, state = tx.update(grads, state, params, value=value)
        params = optax.apply_updates(params, updates)
    expected, whole = train(tx)
    chex.assert_trees_all_close(params, expected, rtol=1e-5)
    chex.assert_trees_all_close(lm.current(state), lm.current(whole), rtol=1e-5)


def test_donated_state():
    tx = chained()
    step = jax.jit(
        lambda s, v: tx.update(START, s, START, value=v)[1], donate_argnums=0
    )
    state = jax.tree.map(jnp.copy, tx.init(START))
    for value in (3.0, 2.0, 5.0):
        state = step(state, jnp.float32(value))
    assert lm.current(state).c == 2


# What optax asks of a contributed method (optax/contrib/_common_test.py).


def test_tree_map_params_touches_no_state_of_ours():
    tx = optax.chain(lm.landscape_modify(), optax.sgd(0.1, momentum=0.9))
    state = tx.init(START)
    mapped = optax.tree.map_params(tx, lambda p: p + 1, state)
    chex.assert_trees_all_equal(lm.current(mapped), lm.current(state))
    chex.assert_trees_all_close(mapped[1][0].trace, jax.tree.map(jnp.ones_like, START))


def test_extra_arguments_of_others_are_ignored_and_value_is_shared():
    tx = optax.chain(
        lm.landscape_modify(), optax.sgd(0.1), optax.contrib.reduce_on_plateau()
    )
    _, state = tx.update(
        START, tx.init(START), START, value=1.0, grad=START, value_fn=loss_fn, other=1
    )
    assert lm.current(state).c == 1


def test_no_recompile_on_the_second_call():
    tx = chained()
    chex.clear_trace_counter()
    update = jax.jit(
        chex.assert_max_traces(lambda g, s, p, v: tx.update(g, s, p, value=v), n=1)
    )
    state = tx.init(START)
    for value in (1.0, 2.0):
        updates, state = update(START, state, START, jnp.float32(value))
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, START)


def test_init_under_eval_shape_equals_init():
    tx = chained()
    shapes = jax.eval_shape(tx.init, START)
    chex.assert_trees_all_equal_shapes_and_dtypes(shapes, tx.init(START))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", PASSING)
def test_a_bad_loss_in_any_wrapper_leaves_c_finite_and_right(name, bad):
    tx = PASSING[name]()
    state = tx.init(START)
    for value in (3.0, bad, 2.0, bad):
        updates, state = tx.update(START, state, START, value=value)
        current = lm.current(state)
        if not np.isfinite(value):
            assert current.scale == 0
            chex.assert_trees_all_equal(updates, jax.tree.map(jnp.zeros_like, START))
    assert current.c == 2
    assert int(current.count) == 4


def test_apply_if_finite_still_sees_a_nan_gradient():
    tx = optax.apply_if_finite(chained(), max_consecutive_errors=5)
    grads = jax.tree.map(lambda p: p * jnp.nan, START)
    updates, state = tx.update(grads, tx.init(START), START, value=jnp.nan)
    assert int(state.notfinite_count) == 1
    chex.assert_tree_all_finite(updates)
    assert lm.current(state).c == np.finfo(np.float32).max
