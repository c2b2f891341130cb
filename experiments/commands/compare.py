"""`compare`: an optimizer with and without landscape modification, seed by seed."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.config import options
from experiments.config.optimizers import OptimizerName
from experiments.config.run import RunConfig
from experiments.errors import UserError


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
    lr_grid: tuple[float, ...] = ()
    """Run everything at each of these learning rates, and show how much each arm
    depends on them; by default, only --learning-rate."""

    def check(self) -> None:
        super().check()
        if len(self.lr_grid) == 1:
            raise UserError(
                "--lr-grid takes at least two rates; for one, use --learning-rate"
            )
        for option, value in (
            ("--lr-sweep", self.lr_sweep),
            ("--learning-rate", self.learning_rate),
        ):
            if self.lr_grid and value:
                raise UserError(f"--lr-grid and {option} exclude each other")

    def over_rates(self) -> list[RunConfig]:
        """The configurations, seed by seed, and rate by rate within a seed."""
        chosen = self.runs(self.dataset, self.model, self.optimizer)
        return [
            dataclasses.replace(config, learning_rate=rate)
            for config in chosen
            for rate in self.lr_grid or (config.learning_rate,)
        ]


def run(config: Config) -> None:
    config.check()
    from experiments.commands import present
    from experiments.machine.setup import set_up

    name = f"compare-{config.dataset}-{config.model}-{config.optimizer}"
    out = config.out or Path("runs") / name
    configs = config.over_rates()
    options.show_remarks(configs)
    if not config.dry_run:
        set_up(config)
    present.run_and_present(configs, out, config)
