"""Data sets as uint8 arrays, checked, in a canonical order, whole or in part.

CIFAR is read once, through tensorflow_datasets or from its publisher's files, and kept
in an `.npz` cache, which training reads. A machine with the cache needs neither
TensorFlow nor network access.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from experiments.data.datasets import DATASETS, DataSet
from experiments.data.ordering import canonical_order, fingerprint
from experiments.errors import UserError
from experiments.machine import files, untrusted


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images (n, 32, 32, 3) uint8 and labels (n,) int32, in a canonical order.

    The order depends only on the images, not on their source. It is as good as
    shuffled: the first n images are a fixed random sample.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]


def record(name: str) -> DataSet:
    """The record of a data set.

    Raises:
      UserError: there is no data set of this name.
    """
    if name not in DATASETS:
        choices = ", ".join(DATASETS)
        raise UserError(f"unknown data set {name!r}: choose from {choices}")
    return DATASETS[name]


def train_size(name: str, limit_train: int | None) -> int:
    """The number of training images of a known data set, after any limit."""
    if limit_train is not None:
        return limit_train
    return record(name).train


def check_size(name: str, limit_train: int | None, validation: int | None) -> None:
    """Raise UserError for an unknown data set, or more images than it has."""
    whole = record(name).train
    if limit_train is not None and limit_train > whole:
        raise UserError(
            f"--limit-train {limit_train} is more than the {whole:,} training images "
            f"of {name}"
        )
    images = whole if limit_train is None else limit_train
    if validation is not None and validation >= images:
        raise UserError(
            f"--validation {validation} leaves none of the {images:,} training images "
            "to train on"
        )


def load(
    name: str,
    *,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    limit_train: int | None = None,
    validation: int | None = None,
) -> Dataset:
    """Load a data set; if it is not in the cache, prepare and cache it.

    Args:
      name: "digits", "cifar10" or "cifar100".
      data_dir: a tensorflow_datasets directory, by default that package's own; or one
        with the unpacked files of CIFAR's publisher.
      cache_dir: where `NAME.npz` is kept; by default under the user's cache directory.
      limit_train: keep the first n training images of the canonical order.
      validation: hold out the last n of those and use them as the test set.

    Raises:
      UserError: the name is unknown, the data cannot be obtained, the cache is damaged
        or contains another data set, or the data set has too few images.
    """
    check_size(name, limit_train, validation)
    whole = _whole(name, data_dir, cache_dir)
    images = whole.train_images[:limit_train]
    labels = whole.train_labels[:limit_train]
    if validation is None:
        return dataclasses.replace(whole, train_images=images, train_labels=labels)
    kept = len(images) - validation
    return dataclasses.replace(
        whole,
        train_images=images[:kept],
        train_labels=labels[:kept],
        test_images=images[kept:],
        test_labels=labels[kept:],
    )


def _whole(name: str, data_dir: Path | None, cache_dir: Path | None) -> Dataset:
    of = record(name)
    cache = Path()
    if of.cached:
        cache = (cache_dir or files.default_cache_dir()) / f"{name}.npz"
        cached = _read_cache(of, cache)
        if cached is not None:
            return cached
    dataset = _checked(
        of,
        *of.read(name, data_dir, cache),
        f"{name} in {data_dir or 'the directory of tensorflow_datasets'}",
        "choose an empty directory with --data-dir to prepare it there again",
    )
    if of.cached:
        arrays: dict[str, Any] = {key: getattr(dataset, key) for key in _ARRAYS}
        with files.replacing_cache(cache) as part:
            np.savez(part, **arrays)
    return dataset


_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels", "classes")


def _checked(
    of: DataSet,
    arrays: Mapping[str, np.ndarray],
    classes: np.ndarray,
    source: str,
    remedy: str,
) -> Dataset:
    """The published data set in canonical order, or an error."""
    name = of.name

    def refuse(fault: str) -> NoReturn:
        raise UserError(f"{source}: {fault}; {remedy}")

    if classes.shape != (of.classes,) or classes.dtype.kind != "U":
        refuse(f"classes are not the names of {name}'s {of.classes} classes")
    ordered = {}
    for split in ("train", "test"):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        shape = (getattr(of, split), *of.image_shape)
        if images.dtype != np.uint8 or images.shape != shape:
            refuse(
                f"{split}_images are {images.dtype}{list(images.shape)}, "
                f"not uint8{list(shape)}"
            )
        if labels.dtype.kind not in "iu" or labels.shape != shape[:1]:
            refuse(
                f"{split}_labels are {labels.dtype}{list(labels.shape)}, not an "
                f"integer for each of {shape[0]} images"
            )
        if fingerprint(images, labels) != getattr(of, f"{split}_fingerprint"):
            refuse(f"its {split} images are not {name}'s (checksum differs)")
        order = canonical_order(images, labels)
        ordered[f"{split}_images"] = images[order]
        ordered[f"{split}_labels"] = labels[order].astype(np.int32)
    return Dataset(name, classes=tuple(map(str, classes)), **ordered)


def _read_cache(of: DataSet, cache: Path) -> Dataset | None:
    """The data set in a cache file; None if there is no file."""
    source = f"the cache {cache}"
    remedy = "move it away or choose another --cache-dir, and it will be made again"
    try:
        arrays = untrusted.arrays(cache)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{source} cannot be read ({error}); {remedy}") from error
    if missing := [key for key in _ARRAYS if key not in arrays]:
        raise UserError(f"{source} has no {', '.join(missing)}; {remedy}")
    return _checked(of, arrays, arrays["classes"], source, remedy)
