"""CIFAR's own archives, unpacked: the versions for Python and the binary ones."""

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.errors import UserError

Arrays = tuple[dict[str, np.ndarray], np.ndarray]


class Version(NamedTuple):
    """A directory as the archive has it.

    `labels` is a key of its pickles, or the place of the label in a binary record.
    """

    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    labels: str | int


_FIVE = tuple(f"data_batch_{i}" for i in range(1, 6))
_VERSIONS = {
    "cifar10": (
        Version("cifar-10-batches-py", _FIVE, "test_batch", "batches.meta", "labels"),
        Version(
            "cifar-10-batches-bin", tuple(f"{name}.bin" for name in _FIVE),
            "test_batch.bin", "batches.meta.txt", 0,
        ),
    ),
    "cifar100": (
        Version("cifar-100-python", ("train",), "test", "meta", "fine_labels"),
        Version(
            "cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt", 1
        ),
    ),
}  # fmt: skip
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
    for version in _VERSIONS.get(name, ()):
        for place in (data_dir, data_dir / version.folder):
            if (place / version.names).is_file() and (place / version.test).is_file():
                try:
                    return _read(version, place)
                # A damaged pickle raises errors that have no common type.
                except Exception as error:
                    raise UserError(f"{name} in {place} is damaged: {error}") from error
    return None


def _read(version: Version, place: Path) -> Arrays:
    splits = {}
    for split, files in (("train", version.train), ("test", (version.test,))):
        parts = [_part(version, place / file) for file in files]
        pixels, labels = map(np.concatenate, zip(*parts))
        images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        splits[f"{split}_images"] = np.ascontiguousarray(images)
        splits[f"{split}_labels"] = labels
    names: Any
    if isinstance(version.labels, int):
        names = (place / version.names).read_text(encoding="utf-8").split()
    else:
        key = version.labels.replace("labels", "label_names").encode()
        names = [label.decode() for label in _pickled(place / version.names)[key]]
    return splits, np.array(names)


def _part(version: Version, file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, 3072), channel by channel, and labels (n,)."""
    if isinstance(version.labels, int):
        labels = version.labels + 1  # bytes of a record
        records = np.fromfile(file, np.uint8).reshape(-1, labels + 3072)
        return records[:, labels:], records[:, version.labels]
    content = _pickled(file)
    return content[b"data"], np.array(content[version.labels.encode()])


def _pickled(file: Path) -> dict[bytes, Any]:
    with open(file, "rb") as opened:
        return _Arrays(opened, encoding="bytes").load()
