"""Run on digits with and without a landscape of f = 0, eps = 1, and compare bits."""

import dataclasses
import sys
from pathlib import Path

import jax
import numpy as np
import optax

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import landmod_jax
from experiments.config.optimizers import OPTIMIZERS
from experiments.config.options import Protocol
from experiments.data import loading
from experiments.train.problem import make_problem
from experiments.train.trainer import DeviceData, Keys, Trainer


def losses_and_weights(optimizer, landscape, device_data):
    config = Protocol().run("digits", "simple_cnn", optimizer, "base", 0)
    options = {"momentum": config.momentum} if config.momentum else {}
    tx = getattr(landmod_jax.torch_optim, optimizer)(config.learning_rate, **options)
    tx = optax.chain(landscape, tx)
    problem = dataclasses.replace(make_problem(config, 7), tx=tx)
    trainer = Trainer(problem, device_data, config.batch_size)
    keys = Keys.of(0)
    state, metrics = trainer.run_epoch(trainer.init(keys), keys, 1)
    assert metrics.loss[-5:].mean() < metrics.loss[:5].mean()  # it did train
    return [metrics.loss, *map(np.asarray, jax.tree.leaves(state.params))]


if __name__ == "__main__":
    # Whole batches: a second batch size would be a second program for each run.
    device_data = DeviceData.put(loading.load("digits", limit_train=44 * 32))
    no_op = landmod_jax.landscape_modify(lambda u: 0.0 * u, eps=1.0)
    for optimizer in OPTIMIZERS:
        plain, modified = (
            losses_and_weights(optimizer, landscape, device_data)
            for landscape in (optax.identity(), no_op)
        )
        for a, b in zip(plain, modified, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=optimizer, strict=True)
