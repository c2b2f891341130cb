"""The training step against NumPy by hand, the epoch, the pair, the evaluation."""

import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.train import trainer as trainer_module
from experiments.train.problem import make_optimizer, make_problem
from experiments.train.step import (
    Batch,
    Draw,
    Images,
    init_state,
    make_batch,
    step_from_data,
    train_step,
)
from experiments.train.trainer import Hooks, Keys, Trainer, batch_slices
from tests.helpers import CONFIG, few_images


@pytest.fixture(scope="module")
def device_data():
    return few_images(50)


@functools.cache
def problem(optimizer="sgd", arm="lm"):
    config = dataclasses.replace(CONFIG, optimizer=optimizer, arm=arm)
    return make_problem(config, 7)


@pytest.fixture(scope="module")
def trainers(device_data):
    return {arm: Trainer(problem(arm=arm), device_data, 8) for arm in ("base", "lm")}


@pytest.fixture(scope="module")
def scanned(device_data):
    return Trainer(problem(), device_data, 8, scan=True)


KEYS = Keys.of(0)


@jax.jit
def loss_and_grads(state, batch):
    def loss_fn(params):
        logits = problem().model.apply({"params": params}, batch.images, train=True)
        log_probabilities = jax.nn.log_softmax(logits)
        picked = log_probabilities[jnp.arange(len(batch.labels)), batch.labels]
        return -picked.mean()

    return jax.value_and_grad(loss_fn)(state.params)


def test_the_lm_step_is_sgd_on_the_gradient_over_loss_minus_c_plus_eps(trainers):
    """Three steps by hand: (3.1) with f(x) = x, eps = 1, c the running minimum."""
    trainer = trainers["lm"]
    state = trainer.init(KEYS)
    by_hand, c = jax.device_get(state.params), np.inf
    step = jax.jit(functools.partial(train_step, problem()))
    for i in range(3):
        indices = jnp.arange(8 * i, 8 * (i + 1))
        batch = make_batch(trainer.data, indices, jax.random.key(i), problem().pipeline)
        loss, grads = loss_and_grads(state._replace(params=by_hand), batch)
        c = min(c, float(loss))
        scale = 1 / (max(float(loss) - c, 0) + 1)
        by_hand = jax.tree.map(
            lambda p, g, scale=scale: p - 0.01 * scale * np.asarray(g), by_hand, grads
        )
        state, metrics = step(state, batch, jax.random.key(9))
        np.testing.assert_allclose(metrics.loss, loss, rtol=1e-5)
        np.testing.assert_allclose(metrics.c, c, rtol=1e-5)
        np.testing.assert_allclose(metrics.scale, scale, rtol=1e-5)
        chex.assert_trees_all_close(state.params, by_hand, rtol=1e-4, atol=1e-6)
    assert scale < 1  # the last batch was above c: the test has seen a modified step


def test_an_epoch_sees_each_image_once_and_keeps_the_partial_batch(trainers):
    order = np.asarray(trainers["lm"]._order(KEYS.order, 1))
    assert sorted(order) == list(range(50))
    sizes = [size for _, size in batch_slices(50, 8)]
    assert sizes == [8] * 6 + [2]
    assert not np.array_equal(order, trainers["lm"]._order(KEYS.order, 2))


def test_metrics_have_a_row_per_step_and_c_is_the_running_minimum(trainers):
    trainer = trainers["lm"]
    state, metrics = trainer.run_epoch(trainer.init(KEYS), KEYS, 1)
    assert trainer.steps_per_epoch == 7
    chex.assert_shape(list(metrics), (7,))
    np.testing.assert_array_equal(metrics.c, np.minimum.accumulate(metrics.loss))
    np.testing.assert_allclose(
        metrics.scale, 1 / (metrics.loss - metrics.c + 1), rtol=1e-6
    )
    assert int(state.step) == 7


def test_a_pair_starts_from_the_same_weights_and_the_same_batch(trainers):
    states = [trainer.init(KEYS) for trainer in trainers.values()]
    chex.assert_trees_all_equal(states[0].params, states[1].params)
    losses = [
        trainer.run_epoch(state, KEYS, 1)[1].loss
        for trainer, state in zip(trainers.values(), states)
    ]
    assert losses[0][0] == losses[1][0]  # scale 1 at the first minimum,
    assert losses[0][1] == losses[1][1]  # so the second weights are the same too,
    assert (losses[0] != losses[1]).any()  # and later ones are not


def test_seeds_differ(trainers):
    trainer = trainers["lm"]
    first, second = (
        trainer.run_epoch(trainer.init(keys), keys, 1)[1].loss
        for keys in (Keys.of(0), Keys.of(10))
    )
    assert (first != second).all()


def test_an_epoch_in_two_parts_is_the_epoch(trainers):
    trainer = trainers["lm"]
    whole, metrics = trainer.run_epoch(trainer.init(KEYS), KEYS, 1)
    calls = iter([False, False, False, True])
    part, first = trainer.run_epoch(
        trainer.init(KEYS), KEYS, 1, hooks=Hooks(stop=lambda: next(calls))
    )
    assert int(part.step) == 3
    rest, second = trainer.run_epoch(part, KEYS, 1, first=3)
    chex.assert_trees_all_equal(whole, rest)
    np.testing.assert_array_equal(
        np.concatenate([first.loss, second.loss]), metrics.loss
    )


def test_a_scanned_epoch_is_the_stepped_epoch(trainers, scanned):
    stepped = trainers["lm"]
    a, a_metrics = stepped.run_epoch(stepped.init(KEYS), KEYS, 1)
    b, b_metrics = scanned.run_epoch(scanned.init(KEYS), KEYS, 1)
    chex.assert_trees_all_close(a_metrics, b_metrics, rtol=1e-5)
    chex.assert_trees_all_close(a.params, b.params, rtol=1e-4, atol=1e-6)
    expected, got = (t.evaluate(a, KEYS) for t in (stepped, scanned))
    assert got.accuracy == expected.accuracy
    np.testing.assert_allclose(got.loss, expected.loss, rtol=1e-6)


def test_at_most_one_step_waits_for_another_so_that_a_stop_is_soon(
    trainers, monkeypatch
):
    trainer = trainers["lm"]
    step, begun, waiting = trainer._step, [], []

    def watched(state, data, draw):
        waiting.append(sum(not metrics.loss.is_ready() for metrics in begun))
        state, metrics = step(state, data, draw)
        begun.append(metrics)
        return state, metrics

    monkeypatch.setattr(trainer, "_step", watched)
    trainer.run_epoch(trainer.init(KEYS), KEYS, 1)
    assert len(waiting) == 7
    assert max(waiting) <= 1


@pytest.mark.parametrize("scan", [False, True])
def test_an_epoch_begins_nothing_after_a_stop(scan, device_data):
    """A first dispatch would compile, which takes a minute on a GPU."""
    trainer = Trainer(problem(), device_data, 32, scan=scan)
    compiled = []
    hooks = Hooks(stop=lambda: True, compiling=compiled.append)
    state, metrics = trainer.run_epoch(trainer.init(KEYS), KEYS, 1, hooks=hooks)
    assert int(state.step) == 0
    assert metrics.loss.shape == (0,)
    assert not compiled


def test_a_partial_batch_is_no_second_network_in_an_epochs_program(device_data):
    def convolutions(n):
        few = Images(*(part[:n] for part in device_data.train))
        trainer = Trainer(problem(), device_data._replace(train=few), 8, scan=True)
        state = jax.eval_shape(trainer.init, KEYS)
        draw = Draw(jnp.arange(n), np.int32(0), KEYS.step, n)
        traced = trainer._scan.trace(state, few, draw)
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
        return text.count("stablehlo.convolution")

    assert convolutions(18) == convolutions(16) == convolutions(5) > 0


def test_the_step_is_traced_once_per_batch_size(device_data):
    chex.clear_trace_counter()
    step = chex.assert_max_traces(step_from_data, n=2)
    jitted = jax.jit(functools.partial(step, problem()))
    state = init_state(problem(), KEYS.init)
    order = jnp.arange(50)
    for start, size in [*batch_slices(50, 8)] * 2:
        draw = Draw(order, np.int32(start), KEYS.step, size)
        state, _ = jitted(state, device_data.train, draw)


@pytest.mark.slow
def test_f_zero_is_the_plain_optimizer_bit_for_bit():
    """An epoch of digits with each optimizer: every loss and every final weight.

    On a machine without fused multiply-add: where there is one, the compiler is free to
    round a·b + c·d in one of two ways, and does so differently when another
    multiplication stands before it (with Adam on x86, in the last bit).
    """
    script = Path(__file__).with_name("f_zero_run.py")
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa=AVX".strip()
    environment = os.environ | {"XLA_FLAGS": flags}
    subprocess.run([sys.executable, script], env=environment, check=True)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_accuracy_and_loss_by_hand(device_data, mode, monkeypatch):
    """40 test images: two whole evaluation batches and a partial one."""
    monkeypatch.setattr(trainer_module, "EVAL_BATCH", 16)
    test = device_data.test
    of = dataclasses.replace(problem(), eval_mode=mode)
    trainer = Trainer(of, device_data, 16)
    state = trainer.init(KEYS)
    images = (np.asarray(test.images) / 255 - 0.3053) / 0.3758
    logits = np.asarray(
        problem().model.apply({"params": state.params}, images, train=False), np.float64
    )
    labels = np.asarray(test.labels)
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(40), labels]
    got = trainer.evaluate(state, KEYS)
    expected = 100 * (logits.argmax(axis=1) == labels).mean()
    assert got.accuracy == pytest.approx(expected)
    np.testing.assert_allclose(got.loss, losses.mean(), rtol=1e-5)


def test_bfloat16_keeps_parameters_loss_and_c_in_float32(device_data):
    config = dataclasses.replace(CONFIG, precision="bfloat16")
    half = make_problem(config, 7)
    state = jax.eval_shape(lambda: init_state(half, KEYS.init))
    batch = Batch(
        jax.ShapeDtypeStruct((4, 32, 32, 3), jnp.float32),
        jax.ShapeDtypeStruct((4,), jnp.int32),
    )
    state, metrics = jax.eval_shape(
        functools.partial(train_step, half), state, batch, KEYS.step
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {
        jnp.dtype("float32")
    }
    assert {m.dtype for m in metrics} == {jnp.dtype("float32")}


def test_the_optimizers_are_the_librarys(device_data):
    """Weight decay is added after the scale: decay alone is not modified."""
    config = dataclasses.replace(CONFIG, weight_decay=0.1, c=0.0, learning_rate=1.0)
    tx = make_optimizer(config, 7)
    params = {"w": jnp.array([2.0])}
    updates, _ = tx.update(
        {"w": jnp.array([3.0])}, tx.init(params), params, value=jnp.float32(4.0)
    )
    # scale = 1 / (4 - 0 + 1); update = -(3 / 5 + 0.1 * 2)
    np.testing.assert_allclose(updates["w"], [-0.8], rtol=1e-6)
    assert isinstance(tx, optax.GradientTransformationExtraArgs)


def test_an_epoch_has_no_nan_that_jax_debug_nans_would_find(device_data):
    """An arm without a landscape has NaN for c and scale, made after the step."""
    trainer = Trainer(problem(arm="base"), device_data, 50)
    with jax.debug_nans(True):
        _, metrics = trainer.run_epoch(trainer.init(KEYS), KEYS, 1)
    assert metrics.loss.shape == metrics.c.shape == metrics.scale.shape == (1,)
    assert np.isnan(metrics.c).all()
    assert np.isnan(metrics.scale).all()
