"""The tables, one record each: which runs it needs."""

import dataclasses
from collections.abc import Mapping

from experiments.config.arms import DEFAULT_ARMS, ArmName
from experiments.config.optimizers import OPTIMIZERS, OptimizerName


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the thesis, or one of ours.

    Attributes:
      dataset: its name.
      networks: their names; each is a part of the table.
      optimizers: its rows, by default.
      arms: the arms of each optimizer, by default.
      swa: whether weights are averaged (table C.1).
      epochs: of each run; None for the network's recipe.
      augment: whether training images are cropped and flipped; None for the data set's
        default.
      published: whether the thesis contains it.
    """

    dataset: str
    networks: tuple[str, ...]
    optimizers: tuple[OptimizerName, ...] = tuple(OPTIMIZERS)
    arms: tuple[ArmName, ...] = DEFAULT_ARMS
    swa: bool = False
    epochs: int | None = None
    augment: bool | None = None
    published: bool = True


TABLES: Mapping[str, Table] = {
    "digits": Table("digits", ("simple_cnn",), published=False),
    "3.5": Table("cifar10", ("nn2",), augment=False),  # see docs/reproduction.md
    "3.6": Table("cifar10", ("preresnet110",)),
    "3.8": Table("cifar10", ("vgg16",)),
    "3.10": Table("cifar100", ("preresnet110",)),
    "3.11": Table("cifar100", ("vgg16",)),
    "C.1": Table("cifar100", ("preresnet110", "vgg16"), optimizers=("sgd",), swa=True),
}
PUBLISHED = tuple(name for name, table in TABLES.items() if table.published)
