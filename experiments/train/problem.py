"""The training problem of a run, made from its configuration."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import optax

import models
from experiments.config import networks
from experiments.config.arms import ARMS, Arm
from experiments.config.optimizers import OPTIMIZERS
from experiments.config.precision import MEANINGS
from experiments.config.run import RunConfig
from experiments.data import loading
from experiments.data.datasets import Pipeline


@dataclasses.dataclass(frozen=True)
class Problem:
    """The network, the optimizer with or without LM, and the preprocessing."""

    model: Any  # an nn.Module, or its Accelerated
    tx: optax.GradientTransformationExtraArgs
    pipeline: Pipeline
    classes: int
    image_shape: tuple[int, int, int]
    arm: Arm
    eval_mode: str = "eval"
    swa_start: int | None = None  # epoch, from 1
    axis_name: str | None = None  # the mapped axis that a mini-batch is spread over
    products: str | None = "float32"  # precision of products and convolutions

    def on_one_device(self) -> "Problem":
        """The same problem without a mapped axis."""
        if self.axis_name is None:
            return self
        model = self.model.clone(axis_name=None)
        return dataclasses.replace(self, model=model, axis_name=None)


def make_problem(
    config: RunConfig, steps_per_epoch: int, axis_name: str | None = None
) -> Problem:
    """The problem of `config`; with an axis_name, for a step that is mapped over it."""
    dataset = loading.record(config.dataset)
    precision = MEANINGS[config.precision]
    model = models.create(
        config.model,
        num_classes=dataset.classes,
        dtype=jnp.dtype(precision.dtype),
        axis_name=axis_name,
    )
    return Problem(
        model=model,
        tx=make_optimizer(config, steps_per_epoch, axis_name),
        pipeline=networks.pipeline(dataset, config.model, config.augment),
        classes=dataset.classes,
        image_shape=dataset.image_shape,
        arm=ARMS[config.arm],
        eval_mode=config.eval_mode,
        swa_start=config.swa_start,
        axis_name=axis_name,
        products=precision.products,
    )


def make_optimizer(
    config: RunConfig, steps_per_epoch: int, axis_name: str | None = None
) -> optax.GradientTransformationExtraArgs:
    """The optimizer of a run's arm, with PyTorch's semantics.

    Raises:
      UserError: f, eps or c is not what landmod_jax takes.
    """
    arm = ARMS[config.arm]
    return arm.create(
        OPTIMIZERS[config.optimizer],
        _learning_rate(config, steps_per_epoch),
        {name: getattr(config, name) for name in arm.parameters},
        steps=config.epochs * steps_per_epoch,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        axis_name=axis_name,
    )


def _learning_rate(config: RunConfig, steps_per_epoch: int) -> float | optax.Schedule:
    if config.swa_start is None or config.swa_learning_rate is None:
        return config.learning_rate
    # Constant, linear between half and nine tenths of the way, constant again.
    start = config.swa_start * steps_per_epoch
    return optax.linear_schedule(
        config.learning_rate,
        config.swa_learning_rate,
        transition_steps=round(0.4 * start),
        transition_begin=round(0.5 * start),
    )
