"""The images of the tasks: training, held-out and test splits."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.data import loading
from experiments.data.loading import Dataset

# Images of CIFAR-10: trained on, held out of the training images, and tested on.
TRAINED, HELD_OUT, TESTED = 20_000, 2_000, 2_000


class Split(NamedTuple):
    images: np.ndarray  # (n, height, width[, 3]) float32
    labels: np.ndarray  # (n,) int32


class Images(NamedTuple):
    """Images with mean 0 and deviation 1 over the training split.

    The learning rate of an arm is chosen on the held-out split.
    """

    train: Split
    held_out: Split
    test: Split


class Places(NamedTuple):
    """Where to look for data sets, as in `loading.load`."""

    data_dir: Path | None = None
    cache_dir: Path | None = None


USUAL = Places()


@functools.cache
def digits(places: Places = USUAL) -> Images:
    """(n, 8, 8): 1,257 images, 180 held out, 360 for the test."""
    return _split(loading.load("digits"), lambda x: x[:, ::4, ::4, 0], held_out=180)


@functools.cache
def cifar10(places: Places) -> Images:
    """(n, 32, 32, 3): 20,000 training images, 2,000 held out, 2,000 for the test.

    These are the first images in canonical order, which is as good as shuffled.

    Raises:
      UserError: the data set cannot be read, or prepared.
    """
    limit = TRAINED + HELD_OUT
    part = loading.load("cifar10", **places._asdict(), limit_train=limit)
    return _split(part, lambda x: x, HELD_OUT, TESTED)


def _split(
    of: Dataset,
    shaped: Callable[[np.ndarray], np.ndarray],
    held_out: int,
    test: int | None = None,
) -> Images:
    train, last = slice(None, -held_out), slice(-held_out, None)
    images = shaped(of.train_images).astype(np.float32)
    tested = shaped(of.test_images[:test]).astype(np.float32)
    mean, deviation = images[train].mean(), images[train].std()
    images, tested = ((x - mean) / deviation for x in (images, tested))
    return Images(
        Split(images[train], of.train_labels[train]),
        Split(images[last], of.train_labels[last]),
        Split(tested, of.test_labels[:test]),
    )
