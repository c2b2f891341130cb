"""Data sets as uint8 arrays: the embedded digits, CIFAR-10 and CIFAR-100.

CIFAR is prepared once through tensorflow_datasets and kept as an `.npz` cache, from
which training reads; a machine with the cache needs neither TensorFlow nor a network.
"""

import contextlib
import dataclasses
import logging
import os
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from experiments.errors import UserError

NAMES = ("digits", "cifar10", "cifar100")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images (n, 32, 32, 3) uint8 and labels (n,) int32, in a canonical order.

    The order depends on the images alone, not on where they were read from, and is as
    good as shuffled: the first n of it are a fixed random sample.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Published:
    """What the whole data set holds: its sizes, and a fingerprint of each split."""

    classes: int
    train: int
    test: int
    train_fingerprint: int
    test_fingerprint: int


PUBLISHED = {
    "cifar10": Published(10, 50_000, 10_000, 107255981865454, 21406119098232),
    "cifar100": Published(100, 50_000, 10_000, 107315508359165, 21420491006609),
}


def default_cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "landmod_jax"


def train_size(name: str, limit_train: int | None) -> int:
    """The number of training images of a known data set, limited or not."""
    if limit_train is not None:
        return limit_train
    return PUBLISHED[name].train if name in PUBLISHED else len(_digits().train_images)


def load(
    name: str,
    *,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    limit_train: int | None = None,
    validation: int | None = None,
) -> Dataset:
    """Load a data set, preparing and caching it where that has not been done.

    Args:
      name: "digits", "cifar10" or "cifar100".
      data_dir: a tensorflow_datasets directory; by default that package's own.
      cache_dir: where `NAME.npz` is kept; by default under the user's cache directory.
      limit_train: keep the first n training images of the canonical order.
      validation: hold out the last n of those, and have them as the test set.

    Raises:
      UserError: the name is unknown, the data are not to be had, the cache is damaged
        or is another data set, or fewer than `limit_train` images are there.
    """
    dataset = _limited(_whole(name, data_dir, cache_dir), limit_train)
    return dataset if validation is None else _validated(dataset, validation)


def _whole(name: str, data_dir: Path | None, cache_dir: Path | None) -> Dataset:
    if name == "digits":
        return _digits()
    if name not in PUBLISHED:
        raise UserError(f"unknown data set {name!r}: choose from {', '.join(NAMES)}")
    cache = (cache_dir or default_cache_dir()) / f"{name}.npz"
    if cache.exists():
        return _read_cache(name, cache)
    dataset = _canonical(name, *_read_tfds(name, data_dir, cache))
    _check(dataset, str(data_dir or "the prepared tensorflow_datasets directory"))
    _write_cache(dataset, cache)
    return dataset


def _digits() -> Dataset:
    """UCI's handwritten digits from scikit-learn, 8×8, each pixel drawn as 4×4."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    images = np.kron(small, np.ones((1, 4, 4), np.uint8))[..., None].repeat(3, axis=3)
    # The first fifth of the canonical order is the test set: 360 of 1,797.
    order = _canonical_order(images, bunch.target)
    images, labels = images[order], bunch.target[order].astype(np.int32)
    split = 360
    return Dataset(
        "digits",
        images[split:],
        labels[split:],
        images[:split],
        labels[:split],
        tuple(map(str, range(10))),
    )


def _limited(dataset: Dataset, limit_train: int | None) -> Dataset:
    have = len(dataset.train_images)
    whole = PUBLISHED[dataset.name].train if dataset.name in PUBLISHED else have
    if limit_train is None and have < whole:
        raise UserError(
            f"{dataset.name} is here with {have:,} of its {whole:,} training images: "
            f"complete it, or ask for a part of it with --limit-train {have}"
        )
    if limit_train is None:
        return dataset
    if limit_train > have:
        raise UserError(
            f"--limit-train {limit_train} is more than the {have:,} training images "
            f"of {dataset.name} that are here"
        )
    return dataclasses.replace(
        dataset,
        train_images=dataset.train_images[:limit_train],
        train_labels=dataset.train_labels[:limit_train],
    )


def _validated(dataset: Dataset, validation: int) -> Dataset:
    kept = len(dataset.train_images) - validation
    if kept < 1:
        raise UserError(
            f"--validation {validation} leaves none of the "
            f"{len(dataset.train_images):,} training images to train on"
        )
    return dataclasses.replace(
        dataset,
        train_images=dataset.train_images[:kept],
        train_labels=dataset.train_labels[:kept],
        test_images=dataset.train_images[kept:],
        test_labels=dataset.train_labels[kept:],
    )


def _canonical_order(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.lexsort((labels, _checksums(images, np.zeros_like(labels))))


def _checksums(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.array(
        [
            zlib.crc32(image.tobytes(), int(label))
            for image, label in zip(images, labels, strict=True)
        ],
        np.uint64,
    )


def fingerprint(images: np.ndarray, labels: np.ndarray) -> int:
    """A checksum of labelled images that does not depend on their order."""
    return int(_checksums(images, labels).sum(dtype=np.uint64))


def _canonical(name: str, splits: dict[str, np.ndarray], classes: tuple) -> Dataset:
    arrays = {}
    for split in ("train", "test"):
        images, labels = splits[f"{split}_images"], splits[f"{split}_labels"]
        order = _canonical_order(images, labels)
        arrays[f"{split}_images"] = images[order]
        arrays[f"{split}_labels"] = labels[order].astype(np.int32)
    return Dataset(name, classes=tuple(map(str, classes)), **arrays)


def _check(dataset: Dataset, source: str) -> None:
    """Refuse arrays that are not the published data set, or not a part of it."""
    published = PUBLISHED[dataset.name]
    remedy = "delete it, and it will be made anew"
    for split in ("train", "test"):
        images = getattr(dataset, f"{split}_images")
        labels = getattr(dataset, f"{split}_labels")
        count = getattr(published, split)
        if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3):
            raise UserError(
                f"{source}: {split}_images are {images.dtype}{list(images.shape)}, "
                f"not uint8[n, 32, 32, 3]; {remedy}"
            )
        if labels.shape != images.shape[:1]:
            raise UserError(
                f"{source}: {len(labels)} {split}_labels for {len(images)} images; "
                f"{remedy}"
            )
        if labels.min(initial=0) < 0 or labels.max(initial=0) >= published.classes:
            raise UserError(
                f"{source}: {split}_labels reach {labels.max()}, but {dataset.name} "
                f"has {published.classes} classes; {remedy}"
            )
        partial = split == "train" and 0 < len(images) < count
        if len(images) != count and not partial:
            raise UserError(
                f"{source}: {len(images):,} {split} images, but {dataset.name} has "
                f"{count:,}; {remedy}"
            )
        expected = getattr(published, f"{split}_fingerprint")
        if not partial and fingerprint(images, labels) != expected:
            raise UserError(
                f"{source}: its {split} images are not {dataset.name}'s (checksum "
                f"differs); {remedy}"
            )


_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels", "classes")


def _read_cache(name: str, cache: Path) -> Dataset:
    try:
        with np.load(cache, allow_pickle=False) as archive:
            splits = {key: archive[key] for key in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"the cache {cache} is damaged ({error}); delete it, and it will be made "
            "anew"
        ) from error
    classes = tuple(splits.pop("classes"))
    for split in ("train", "test"):
        images, labels = splits[f"{split}_images"], splits[f"{split}_labels"]
        if images.ndim != 4 or len(images) != len(labels):
            raise UserError(
                f"the cache {cache} is not a data set of images: {split}_images have "
                f"shape {images.shape}, {split}_labels {labels.shape}; delete it"
            )
    dataset = _canonical(name, splits, classes)
    _check(dataset, f"the cache {cache}")
    return dataset


def _write_cache(dataset: Dataset, cache: Path) -> None:
    part = cache.with_name(f".{cache.name}.{os.getpid()}.part")
    arrays: dict[str, Any] = {key: getattr(dataset, key) for key in _ARRAYS}
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            np.savez(file, **arrays)
        os.replace(part, cache)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(
            f"cannot write the cache {cache} ({error}); name a directory with room and "
            "write access with --cache-dir"
        ) from error


def _reach_publisher() -> None:
    """Fail within seconds; tensorflow_datasets tries for minutes."""
    urllib.request.urlopen(
        "https://www.cs.toronto.edu/~kriz/cifar.html", timeout=10
    ).close()


def _read_tfds(
    name: str, data_dir: Path | None, cache: Path
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Read a prepared tensorflow_datasets directory, preparing it where it is not."""
    if data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(f"--data-dir {data_dir} is not a directory")
    try:
        import tensorflow_datasets as tfds

        logging.getLogger("absl").setLevel(logging.ERROR)
        builder = tfds.builder(
            name,
            data_dir=None if data_dir is None else str(data_dir),
            file_format="array_record",
        )
        if not builder.is_prepared():
            _reach_publisher()
            builder.download_and_prepare()
        splits = {}
        for split in ("train", "test"):
            images, labels = [], []
            for example in builder.as_data_source(split):
                images.append(example["image"])
                labels.append(example["label"])
            splits[f"{split}_images"] = np.stack(images)
            splits[f"{split}_labels"] = np.array(labels)
        return splits, tuple(builder.info.features["label"].names)
    # Whatever goes wrong inside (no package, no network, no space, another format), the
    # user's two ways out are the same.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:150]
        raise UserError(
            f"{name} is not here, and preparing it failed ({reason}). Two ways:\n"
            "  1. with a network: pip install '.[data]', then run this again; a "
            "directory that\n     tensorflow_datasets prepared elsewhere as "
            "array_record is given by --data-dir;\n"
            f"  2. without: put the cache file of another machine at {cache}"
        ) from error
