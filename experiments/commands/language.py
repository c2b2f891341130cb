"""`language`: language models over learning rates, with and without LM."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.language.options import Plan
from experiments.study import command, registry


@dataclasses.dataclass(frozen=True)
class Config(command.Options, Plan):
    """Train a character transformer and an LSTM over learning rates, arm by arm.

    It measures how sensitive each arm is to the learning rate, loss spikes, and the
    loss at each arm's best rate, on paired seeds. An arm's rows are written when it is
    finished. Ctrl-C, SIGTERM, a closed terminal or --time-budget stop the command, and
    --resume continues it. The command writes rows, tables.md and pictures. The default
    plan takes hours on two cores, --quick about two minutes.
    """

    example: ClassVar[str] = "python -m experiments language --quick --arms base lm"
    out: Path = Path("language")
    """Directory of the study."""
    data_dir: Path | None = None
    """A tensorflow_datasets directory, for Tiny Shakespeare; by default, that package's
    own. A machine without network access needs tinyshakespeare.txt in --cache-dir."""


def run(config: Config) -> None:
    command.run(registry.study("language"), config)
