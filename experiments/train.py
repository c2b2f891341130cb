"""`train`: one run."""

import dataclasses
from pathlib import Path

from experiments import options
from experiments.config import Arm, Optimizer


@dataclasses.dataclass(frozen=True)
class Config(options.Execution, options.Protocol):
    """Train one network once."""

    dataset: str = "digits"
    """digits, cifar10 or cifar100."""
    model: str = "simple_cnn"
    """simple_cnn, nn2, vgg16, preresnet110, … (see models/)."""
    optimizer: Optimizer = "sgd"
    """Which of the thesis's four, with PyTorch's semantics."""
    arm: Arm = "lm"
    """The optimizer alone (base) or behind landscape modification (lm)."""
    seed: int = 0
    """Of the weights, the data's order, the augmentation and the dropout."""


def run(config: Config) -> None:
    config.check()
    from experiments import present, sweep

    one = config.run(
        config.dataset, config.model, config.optimizer, config.arm, config.seed
    )
    options.show_remarks([one])
    out = config.out or Path("runs") / f"train-{one.run_id}"
    present.present(sweep.run_all([one], out, config), out)
