"""The network families, one record each: recipe and preprocessing."""

import dataclasses
import re

from experiments.config.optimizers import OPTIMIZERS
from experiments.data.datasets import CIFAR, CIFAR_VGG, DataSet, Pipeline
from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """One row of table A.1 or A.2 (they are equal), or the recipe of table C.1."""

    epochs: int
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    swa_start: int | None = None
    swa_learning_rate: float | None = None


@dataclasses.dataclass(frozen=True)
class Family:
    """Networks that are trained in the same way.

    Attributes:
      pattern: of the full names of the family's networks, as `models.create` takes
        them.
      epochs: the thesis's (tables A.1 and A.2).
      sgd_learning_rate: for SGD; each adaptive optimizer has one for all networks.
      pipeline: the preprocessing of CIFAR's images.
      swa: the recipe with weight averaging (table C.1), if there is one.
    """

    pattern: str
    epochs: int
    sgd_learning_rate: float
    pipeline: Pipeline
    swa: Hyperparameters | None = None


# Weight averaging with the settings of Izmailov et al. (2018), which table C.1 uses.
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
      UserError: no family has this network.
    """
    for one in FAMILIES:
        if re.fullmatch(one.pattern, model):
            return one
    raise UserError(
        f"the network {model!r} has no recipe: add its family to FAMILIES in "
        "experiments/config/networks.py"
    )


def pipeline(dataset: DataSet, model: str, augment: bool = True) -> Pipeline:
    """The preprocessing of a run's images; without augmentation, only normalization."""
    chosen = dataset.pipeline or family(model).pipeline
    return chosen if augment else chosen.without_augmentation()


def hyperparameters(model: str, optimizer: str) -> Hyperparameters:
    """The thesis's recipe for a network and an optimizer (tables A.1, A.2).

    Only SGD has momentum, 0.9, and weight decay is always 0.
    """
    of_network, of_optimizer = family(model), OPTIMIZERS[optimizer]
    return Hyperparameters(
        epochs=of_network.epochs,
        learning_rate=of_optimizer.learning_rate or of_network.sgd_learning_rate,
        momentum=of_optimizer.momentum or 0.0,
    )


def swa_hyperparameters(model: str, epochs: int | None) -> Hyperparameters:
    """The recipe of table C.1; with other `epochs`, averaging starts proportionally."""
    whole = family(model).swa
    if whole is None:
        raise UserError(f"no settings of weight averaging for the network {model!r}")
    if epochs is None:
        return whole
    assert whole.swa_start is not None
    start = max(1, round(whole.swa_start * epochs / whole.epochs))
    return dataclasses.replace(whole, epochs=epochs, swa_start=start)
