"""`compare`: an optimizer with and without landscape modification, seed by seed."""

import dataclasses
from pathlib import Path

from experiments import options
from experiments.config import Optimizer


@dataclasses.dataclass(frozen=True)
class Config(options.Pairs):
    """Train pairs of runs: same weights, data order and augmentation in each arm."""

    dataset: str = "digits"
    """digits, cifar10 or cifar100."""
    model: str = "simple_cnn"
    """simple_cnn, nn2, vgg16, preresnet110, … (see models/)."""
    optimizer: Optimizer = "sgd"
    """Which of the thesis's four, with PyTorch's semantics."""


def run(config: Config) -> None:
    config.check()
    from experiments import present

    name = f"compare-{config.dataset}-{config.model}-{config.optimizer}"
    out = config.out or Path("runs") / name
    configs = config.runs(config.dataset, config.model, config.optimizer)
    options.show_remarks(configs)
    present.run_and_present(configs, out, config)
