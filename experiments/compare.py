"""`compare`: an optimizer with and without landscape modification, seed by seed."""

import dataclasses
from pathlib import Path

from experiments import options
from experiments.config import ARMS, SEEDS, Arm, Optimizer


@dataclasses.dataclass(frozen=True)
class Config(options.Execution, options.Protocol):
    """Train pairs of runs: same weights, data order and augmentation in each arm."""

    dataset: str = "digits"
    """digits, cifar10 or cifar100."""
    model: str = "simple_cnn"
    """simple_cnn, nn2, vgg16, preresnet110, … (see models/)."""
    optimizer: Optimizer = "sgd"
    """Which of the thesis's four, with PyTorch's semantics."""
    arms: tuple[Arm, ...] = ARMS
    """The optimizer alone (base), behind landscape modification (lm)."""
    seeds: tuple[int, ...] = SEEDS
    """A pair for each seed."""


def run(config: Config) -> None:
    from experiments import present, sweep

    name = f"compare-{config.dataset}-{config.model}-{config.optimizer}"
    out = config.out or Path("runs") / name
    configs = [
        config.run(config.dataset, config.model, config.optimizer, arm, seed)
        for seed in config.seeds
        for arm in config.arms
    ]
    present.present(sweep.run_all(configs, out, config), out)
