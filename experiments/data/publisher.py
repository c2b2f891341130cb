"""CIFAR's own archives for Python, unpacked, as torchvision keeps them."""

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.errors import UserError

Arrays = tuple[dict[str, np.ndarray], np.ndarray]


class Archive(NamedTuple):
    """The files of an archive's directory, and the key of its labels."""

    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    labels: str


_ARCHIVES = {
    "cifar10": Archive(
        "cifar-10-batches-py",
        tuple(f"data_batch_{i}" for i in range(1, 6)),
        "test_batch",
        "batches.meta",
        "labels",
    ),
    "cifar100": Archive("cifar-100-python", ("train",), "test", "meta", "fine_labels"),
}
# All that such a pickle needs, under the names of every version of NumPy.
_NEEDED = {("numpy", "ndarray"), ("numpy", "dtype")} | {
    (f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")
}


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NEEDED:
            raise ValueError(f"it names {module}.{name}, which is no array")
        module = module.replace("numpy.core", "numpy._core")
        return super().find_class(module, name)


def read(name: str, data_dir: Path) -> Arrays | None:
    """The images, labels and names of the classes; None if the archive is not there.

    Args:
      data_dir: the directory of the archive, or the one that it was unpacked in.

    Raises:
      UserError: the archive is there, but incomplete or damaged.
    """
    archive = _ARCHIVES[name]
    for place in (data_dir, data_dir / archive.folder):
        if (place / archive.names).is_file() and (place / archive.test).is_file():
            try:
                return _read(archive, place)
            # A damaged pickle raises errors that have no common type.
            except Exception as error:
                raise UserError(f"{name} in {place} is damaged: {error}") from error
    return None


def _read(archive: Archive, place: Path) -> Arrays:
    splits = {}
    for split, files in (("train", archive.train), ("test", (archive.test,))):
        parts = [_pickled(place / file) for file in files]
        # (n, 3072): all red pixels of an image, then the green and the blue ones.
        pixels = np.concatenate([part[b"data"] for part in parts])
        images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        splits[f"{split}_images"] = np.ascontiguousarray(images)
        labels = [part[archive.labels.encode()] for part in parts]
        splits[f"{split}_labels"] = np.concatenate(labels)
    key = archive.labels.replace("labels", "label_names").encode()
    names = _pickled(place / archive.names)[key]
    return splits, np.array([name.decode() for name in names])


def _pickled(file: Path) -> dict[bytes, Any]:
    with open(file, "rb") as opened:
        return _Arrays(opened, encoding="bytes").load()
