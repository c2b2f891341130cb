"""The controls: replays of LM's scales, clipping, warm-up; and weight averaging."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.commands.cli import main
from experiments.config import replay
from experiments.config.arms import ARMS
from experiments.config.networks import swa_hyperparameters
from experiments.runs.run_directory import find_runs
from experiments.train.problem import _learning_rate, make_problem
from experiments.train.step import make_batch
from experiments.train.trainer import Keys, Trainer, batch_slices
from models.layers import conv
from tests.helpers import CONFIG, few_images, small

LM_SCALES = np.array([1.0, 0.5, 0.25, 0.25], np.float32)


def test_mean_scale_keeps_the_mean_and_shuffled_scale_the_values():
    mean = ARMS["mean_scale"].replay(LM_SCALES, 6, seed=0)
    np.testing.assert_array_equal(mean, np.full(6, 0.5))
    shuffled = ARMS["shuffled_scale"].replay(LM_SCALES, 4, seed=0)
    assert sorted(shuffled) == sorted(LM_SCALES)
    others = [ARMS["shuffled_scale"].replay(LM_SCALES, 4, s) for s in (1, 2)]
    assert any((other != shuffled).any() for other in others)


def test_a_replay_multiplies_step_by_step_and_then_by_the_last():
    tx = replay.replay(2)
    params = {"w": jnp.ones(3), "b": jnp.ones((), jnp.bfloat16)}
    state = replay.with_scales(tx.init(params), np.array([0.5, 0.25]))
    seen = []
    for _ in range(3):
        updates, state = tx.update(params, state, value=jnp.float32(9))
        assert updates["b"].dtype == jnp.bfloat16
        seen.append(float(updates["w"][0]))
    assert seen == [0.5, 0.25, 0.25]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_sweep_with_every_arm(tmp_path, capsys):
    arms = tuple(ARMS)
    argv = small("compare", "--seeds", "0", "--arms", *arms, "--out", str(tmp_path))
    assert main(argv) == 0
    runs = {run.config.arm: run for run in find_runs([tmp_path])}
    assert set(runs) == set(arms)
    scales = runs["lm"].steps["scale"]
    np.testing.assert_allclose(
        runs["mean_scale"].steps["scale"], scales.mean(), rtol=1e-6
    )
    np.testing.assert_allclose(
        sorted(runs["shuffled_scale"].steps["scale"]), sorted(scales), rtol=1e-6
    )
    first = [run.steps["loss"][0] for run in runs.values()]
    # The same weights and the same mini-batch, in programs of their own.
    np.testing.assert_allclose(first, first[0], rtol=1e-6)
    assert "SGD-shuffled scales" in capsys.readouterr().out


def test_a_replay_without_its_lm_run_is_refused(tmp_path, capsys):
    argv = small(
        "compare", "--arms", "base", "mean_scale", "--out", str(tmp_path / "o")
    )
    assert main(argv) == 2
    assert "add lm to --arms" in capsys.readouterr().err


# --- weight averaging ---


@pytest.mark.parametrize(
    ("model", "epochs", "start"),
    [("vgg16", None, 161), ("preresnet110", None, 126), ("vgg16", 30, 16)],
)
def test_table_c_1_starts_averaging_where_it_says(model, epochs, start):
    assert swa_hyperparameters(model, epochs).swa_start == start


def test_the_rate_of_weight_averaging_is_piecewise_linear():
    config = dataclasses.replace(
        CONFIG, arm="base", epochs=30, learning_rate=0.05, swa_start=20,
        swa_learning_rate=0.01,
    )  # fmt: skip
    rate = _learning_rate(config, steps_per_epoch=100)
    # Izmailov et al. 2018: t = epoch / start; 1 up to t = 0.5, the ratio from 0.9 on.
    for t, factor in ((0, 1), (0.5, 1), (0.7, 0.6), (0.9, 0.2), (1.5, 0.2)):
        np.testing.assert_allclose(rate(t * 2000), 0.05 * factor, rtol=1e-6)


def test_averaged_weights_are_the_mean_with_statistics_of_their_own():
    config = dataclasses.replace(
        CONFIG, model="preresnet11", epochs=3, swa_start=2, swa_learning_rate=0.005
    )
    device_data = few_images(12)
    trainer = Trainer(make_problem(config, 2), device_data, 8)
    keys = Keys.of(0)
    state, seen = trainer.init(keys), []
    for factor in (1.5, 0.5):  # in place of training, which takes long to compile
        weights = jax.tree.map(lambda p, f=factor: f * p, state.params)
        seen.append(jax.device_get(weights))
        state = trainer.add_to_average(state._replace(params=weights))
    averaged = trainer.averaged(state, keys)
    mean = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *seen)
    for ours, expected in zip(
        jax.tree.leaves(averaged.params), jax.tree.leaves(mean), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)
    # The first norm stands behind the first convolution: its mean, by hand, over the
    # augmented mini-batches of one pass.
    order, total = trainer._order(keys.order, 0), 0.0
    for start, size in batch_slices(12, 8):
        key, _ = jax.random.split(jax.random.fold_in(keys.step, start))
        indices = order[start : start + size]
        batch = make_batch(device_data.train, indices, key, trainer.problem.pipeline)
        kernel = averaged.params["Conv_0"]["kernel"]
        total += conv(batch.images, kernel, 1, 1).mean((0, 1, 2)) * size / 12
    ours = averaged.batch_stats["Bottleneck_0"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(ours, total, rtol=1e-4, atol=1e-6)
