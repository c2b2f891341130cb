"""Run on digits with and without a landscape of f = 0, eps = 1, and compare bits."""

import dataclasses
import sys
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import landmod_jax
from experiments.config.optimizers import OPTIMIZERS
from experiments.config.options import Protocol
from experiments.data import loading
from experiments.train.step import make_problem
from experiments.train.trainer import DeviceData, Keys, Trainer

EPOCHS = 3


def losses_and_weights(optimizer, landscape, device_data):
    config = Protocol().run("digits", "simple_cnn", optimizer, "base", 0)
    options = {"momentum": config.momentum} if config.momentum else {}
    tx = getattr(landmod_jax.torch_optim, optimizer)(
        config.learning_rate, landscape=landscape, **options
    )
    problem = dataclasses.replace(make_problem(config, 7), tx=tx)
    trainer = Trainer(problem, device_data, config.batch_size)
    keys = Keys.of(0)
    state, losses = trainer.init(keys), []
    for epoch in range(1, EPOCHS + 1):
        state, metrics = trainer.run_epoch(state, keys, epoch)
        losses.append(metrics.loss)
    assert losses[-1].mean() < 1  # it did train
    return [np.concatenate(losses), *map(np.asarray, jax.tree.leaves(state.params))]


if __name__ == "__main__":
    device_data = DeviceData.put(loading.load("digits"))
    no_op = landmod_jax.landscape_modify(lambda u: 0.0 * u, eps=1.0)
    for optimizer in OPTIMIZERS:
        plain, modified = (
            losses_and_weights(optimizer, landscape, device_data)
            for landscape in (None, no_op)
        )
        for a, b in zip(plain, modified, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=optimizer, strict=True)
