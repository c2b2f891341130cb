"""The networks by family, each one record: its recipe and its preprocessing."""

import dataclasses
import re

from experiments.config.optimizers import OPTIMIZERS
from experiments.data.datasets import DataSet
from experiments.data.pipeline import CIFAR, CIFAR_VGG, Pipeline
from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """One row of table A.1 or A.2, which are the same, or of the runs of table C.1."""

    epochs: int
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    swa_start: int | None = None
    swa_learning_rate: float | None = None


@dataclasses.dataclass(frozen=True)
class Family:
    """Networks that are trained alike.

    Attributes:
      pattern: the whole name of a network of the family, as `models.create` takes it.
      epochs: the thesis's (tables A.1 and A.2).
      sgd_learning_rate: of SGD; the adaptive optimizers have their own for all.
      pipeline: what CIFAR's images go through.
      swa: how weight averaging is run (table C.1), where it is.
    """

    pattern: str
    epochs: int
    sgd_learning_rate: float
    pipeline: Pipeline
    swa: Hyperparameters | None = None


# Weight averaging as Izmailov et al. (2018) ran it, whose settings table C.1 takes.
# SimpleCNN is ours, for the embedded digits.
FAMILIES = (
    Family("nn2", 50, 0.01, CIFAR),
    Family(
        r"preresnet\d+",
        150,
        0.1,
        CIFAR,
        swa=Hyperparameters(225, 0.1, 0.9, 3e-4, 126, swa_learning_rate=0.05),
    ),
    Family(
        r"vgg\d+(_bn)?",
        200,
        0.05,
        CIFAR_VGG,
        swa=Hyperparameters(
            300, 0.05, 0.9, 5e-4, swa_start=161, swa_learning_rate=0.01
        ),
    ),
    Family("simple_cnn", 8, 0.01, CIFAR),
)


def family(model: str) -> Family:
    """The family of a network.

    Raises:
      UserError: it is in none.
    """
    for each in FAMILIES:
        if re.fullmatch(each.pattern, model):
            return each
    raise UserError(
        f"the network {model!r} has no recipe: add its family to FAMILIES in "
        "experiments/config/networks.py"
    )


def pipeline(dataset: DataSet, model: str, augment: bool = True) -> Pipeline:
    """What the images of a run go through; without augmentation, statistics alone."""
    chosen = dataset.pipeline or family(model).pipeline
    return chosen if augment else chosen.without_augmentation()


def hyperparameters(model: str, optimizer: str) -> Hyperparameters:
    """The thesis's for a network and an optimizer (tables A.1, A.2).

    Momentum 0.9 belongs to SGD alone, and weight decay is 0 throughout.
    """
    of_network, of_optimizer = family(model), OPTIMIZERS[optimizer]
    return Hyperparameters(
        epochs=of_network.epochs,
        learning_rate=of_optimizer.learning_rate or of_network.sgd_learning_rate,
        momentum=of_optimizer.momentum or 0.0,
    )


def swa_hyperparameters(model: str, epochs: int | None) -> Hyperparameters:
    """Those of table C.1; with other `epochs`, averaging starts in proportion."""
    whole = family(model).swa
    if whole is None:
        raise UserError(f"no settings of weight averaging for the network {model!r}")
    if epochs is None:
        return whole
    assert whole.swa_start is not None
    start = max(1, round(whole.swa_start * epochs / whole.epochs))
    return dataclasses.replace(whole, epochs=epochs, swa_start=start)
