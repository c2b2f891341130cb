"""The data sets, one record each: its source, and how networks train on its images."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    # Arrays train_images, train_labels, test_images and test_labels; class names.
    Arrays = tuple[dict[str, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """Per-channel mean and standard deviation, and the steps for training images."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    steps: tuple[str, ...] = ()  # of "crop" and "flip", in this order

    def without_augmentation(self) -> "Pipeline":
        return dataclasses.replace(self, steps=())


CIFAR = Pipeline(
    (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), ("crop", "flip")
)  # appendix B
# As in the original VGG script: ImageNet's statistics, and flips before crops.
CIFAR_VGG = Pipeline((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), ("flip", "crop"))
# Digits are centered and not symmetric: neither crop nor flip.
DIGITS = Pipeline((0.3053,) * 3, (0.3758,) * 3)


def _cifar(name: str, data_dir: Path | None, cache: Path) -> "Arrays":
    from experiments.data import prepared, publisher

    if data_dir is not None and (arrays := publisher.read(name, data_dir)):
        return arrays
    return prepared.read(name, data_dir, cache)


def _digits(name: str, data_dir: Path | None, cache: Path) -> "Arrays":
    from experiments.data import digits

    return digits.read()


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set of images.

    Attributes:
      name: on the command line, and in tensorflow_datasets if it comes from there.
      classes: number of classes.
      train, test: number of images in each split.
      train_fingerprint, test_fingerprint: `loading.fingerprint` of the whole splits.
      batch_size: the default.
      pipeline: its preprocessing; None for that of the network's family, which is made
        for CIFAR.
      read: (name, data_dir, cache) to its arrays; `cache` is for messages.
      cached: whether the arrays are kept as an `.npz` file.
      image_shape: height, width, channels.
    """

    name: str
    classes: int
    train: int
    test: int
    train_fingerprint: int
    test_fingerprint: int
    batch_size: int
    pipeline: Pipeline | None
    read: "Callable[[str, Path | None, Path], Arrays]"
    cached: bool
    image_shape: tuple[int, int, int] = (32, 32, 3)


DATASETS = {
    record.name: record
    for record in (
        DataSet(
            "digits",
            classes=10,
            train=1_437,
            test=360,
            train_fingerprint=3259135776395,
            test_fingerprint=593972368160,
            batch_size=32,  # 128 would give few steps
            pipeline=DIGITS,
            read=_digits,
            cached=False,
        ),
        DataSet(
            "cifar10",
            classes=10,
            train=50_000,
            test=10_000,
            train_fingerprint=107255981865454,
            test_fingerprint=21406119098232,
            batch_size=128,
            pipeline=None,
            read=_cifar,
            cached=True,
        ),
        DataSet(
            "cifar100",
            classes=100,
            train=50_000,
            test=10_000,
            train_fingerprint=107315508359165,
            test_fingerprint=21420491006609,
            batch_size=128,
            pipeline=None,
            read=_cifar,
            cached=True,
        ),
    )
}
