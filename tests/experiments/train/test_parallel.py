"""Eight devices, by pmap and over a mesh, against one."""

import dataclasses
import functools

import chex
import jax
import numpy as np
import pytest

from experiments.train.placement import AXIS
from experiments.train.problem import make_problem
from experiments.train.step import Draw
from experiments.train.trainer import Keys, Trainer
from tests.helpers import CONFIG, few_images

KEYS = Keys.of(0)


@pytest.fixture(scope="module")
def device_data():
    return few_images(180)


# Batch norm makes rounding grow threefold a step at a learning rate of 0.1, so that the
# PreResNet learns more slowly here. Statistics of a part of the batch, or gradients
# that are not averaged, would still miss by far.
OPTIONS = {
    "simple_cnn": {"momentum": 0.9},
    "preresnet11": {"momentum": 0.0, "learning_rate": 1e-3},
}


def trainer(device_data, model, parallel, scan=False):
    config = dataclasses.replace(CONFIG, model=model, **OPTIONS[model])
    axis_name = AXIS if parallel == "pmap" else None
    problem = make_problem(config, 6, axis_name)
    return Trainer(problem, device_data, 32, scan, parallel)


def one_epoch(trainer):
    """6 steps: 5 whole mini-batches, and one of 20 images, which 8 do not divide."""
    state, metrics = trainer.run_epoch(trainer.init(KEYS), KEYS, 1)
    return state, metrics, trainer.evaluate(state, KEYS)


@pytest.fixture(scope="module")
def alone(device_data):
    """The epoch of a model on one device."""
    return functools.cache(lambda model: one_epoch(trainer(device_data, model, "none")))


@pytest.mark.parametrize("parallel", ["pmap", "sharded"])
@pytest.mark.parametrize(
    "model", ["simple_cnn", pytest.param("preresnet11", marks=pytest.mark.slow)]
)
def test_the_trajectory_is_that_of_one_device(model, parallel, alone, device_data):
    assert jax.local_device_count() == 8
    state, metrics, evaluation = one_epoch(trainer(device_data, model, parallel))
    expected_state, expected, expected_evaluation = alone(model)
    np.testing.assert_allclose(metrics.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(metrics.c, expected.c, rtol=1e-5)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, expected_state)
    np.testing.assert_allclose(evaluation.loss, expected_evaluation.loss, rtol=0.01)


@pytest.mark.slow
def test_the_replicas_of_a_pmapped_state_stay_equal(device_data):
    mapped = trainer(device_data, "preresnet11", "pmap")
    state = mapped._place.spread(mapped.init(KEYS))
    order = mapped._order(KEYS.order, 1)
    for start in (0, 32, 64):
        draw = Draw(order, np.int32(start), KEYS.step, 32)
        state, metrics = mapped._step(state, mapped.data, draw)
    for leaf in jax.tree.leaves((jax.device_get(state), jax.device_get(metrics))):
        assert leaf.shape[0] == 8
        np.testing.assert_array_equal(leaf, np.broadcast_to(leaf[:1], leaf.shape))


def test_a_pmapped_epoch_may_be_scanned(alone, device_data):
    scanned = trainer(device_data, "simple_cnn", "pmap", scan=True)
    _, metrics, _ = one_epoch(scanned)
    np.testing.assert_allclose(metrics.loss, alone("simple_cnn")[1].loss, rtol=1e-4)
