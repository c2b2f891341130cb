"""`compare`: an optimizer with and without landscape modification, seed by seed."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.config import options
from experiments.config.optimizers import OptimizerName


@dataclasses.dataclass(frozen=True)
class Config(options.Pairs):
    """Train pairs of runs with the same weights, data order and augmentation."""

    example: ClassVar[str] = (
        "python -m experiments compare --optimizer adam --arms base lm "
        "lm_after clip --seeds 0 1 2 3 4 5"
    )
    dataset: str = "digits"
    """digits, cifar10 or cifar100."""
    model: str = "simple_cnn"
    """simple_cnn, nn2, vgg16, preresnet110, … (see models/)."""
    optimizer: OptimizerName = "sgd"
    """One of the thesis's four optimizers, with PyTorch's semantics."""


def run(config: Config) -> None:
    config.check()
    from experiments.commands import present
    from experiments.machine.setup import set_up

    name = f"compare-{config.dataset}-{config.model}-{config.optimizer}"
    out = config.out or Path("runs") / name
    configs = config.runs(config.dataset, config.model, config.optimizer)
    options.show_remarks(configs)
    if not config.dry_run:
        set_up(config)
    present.run_and_present(configs, out, config)
