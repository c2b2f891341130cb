"""`train`: one run."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.config import execution, options
from experiments.config.arms import LM, ArmName
from experiments.config.optimizers import OptimizerName


@dataclasses.dataclass(frozen=True)
class Config(options.Protocol, execution.Execution):
    """Train one network once."""

    example: ClassVar[str] = (
        "python -m experiments train --model nn2 --dataset cifar10 --optimizer adam"
    )
    dataset: str = "digits"
    """digits, cifar10 or cifar100."""
    model: str = "simple_cnn"
    """simple_cnn, nn2, vgg16, preresnet110, … (see models/)."""
    optimizer: OptimizerName = "sgd"
    """One of the thesis's four optimizers, with PyTorch's semantics."""
    arm: ArmName = LM.name
    """The optimizer by itself (base) or with landscape modification (lm)."""
    seed: int = 0
    """Seed of the weights, data order, augmentation and dropout."""


def run(config: Config) -> None:
    config.check()
    from experiments.commands import present
    from experiments.machine.setup import set_up
    from experiments.runs import dry_run, sweep

    one = config.run(
        config.dataset, config.model, config.optimizer, config.arm, config.seed
    )
    options.show_remarks([one])
    out = config.out or Path("runs") / f"train-{one.run_id}"
    if config.dry_run:
        dry_run.show([one], out, config)
        return
    set_up(config)
    present.present(sweep.run_all([one], out, config), out)
