"""The directories in CIFAR's own archives."""

import os
import pickle

import numpy as np
import pytest

from experiments.data import loading, publisher
from experiments.errors import UserError
from tests.experiments.data.test_data import tiny_cifar10, tiny_splits  # noqa: F401

FOLDERS = ("cifar-10-batches-py", "cifar-100-python")


def unpack(folder, root, splits):
    """The archive's directory, as its web page describes the files."""
    place, hundred = root / folder, "100" in folder
    place.mkdir()
    train = ["train"] if hundred else [f"data_batch_{i}" for i in range(1, 6)]
    test = "test" if hundred else "test_batch"
    parts = [("test", test, slice(None))]
    for name, indices in zip(train, np.array_split(np.arange(60), len(train))):
        parts.append(("train", name, indices))
    for split, name, part in parts:
        # All red pixels of an image, then the green and the blue ones, row by row.
        planes = [splits[f"{split}_images"][part][..., i] for i in range(3)]
        pixels = np.concatenate([plane.reshape(-1, 1024) for plane in planes], axis=1)
        key = b"fine_labels" if hundred else b"labels"
        labels = splits[f"{split}_labels"][part].tolist()
        content = {b"data": pixels, key: labels, b"coarse_labels": []}
        (place / name).write_bytes(pickle.dumps(content))
    key = b"fine_label_names" if hundred else b"label_names"
    names = [b"class%d" % i for i in range(100 if hundred else 10)]
    (place / ("meta" if hundred else "batches.meta")).write_bytes(
        pickle.dumps({key: names})
    )
    return place


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("inside", [True, False])
def test_an_archive_gives_its_images_labels_and_names(tmp_path, folder, inside):
    splits = tiny_splits()
    place = unpack(folder, tmp_path, splits)
    name = "cifar100" if "100" in folder else "cifar10"
    arrays, names = publisher.read(name, place if inside else tmp_path)
    for key, expected in splits.items():
        np.testing.assert_array_equal(arrays[key], expected)
    assert names[3] == "class3"
    assert names.dtype.kind == "U"


def test_the_fingerprint_is_checked_and_the_cache_is_made(tmp_path, tiny_cifar10):  # noqa: F811
    place = unpack(FOLDERS[0], tmp_path, tiny_cifar10)
    loaded = loading.load("cifar10", data_dir=tmp_path, cache_dir=tmp_path)
    assert len(loaded.train_images) == 60
    (tmp_path / "cifar10.npz").unlink()
    content = pickle.loads((place / "test_batch").read_bytes())
    content[b"labels"][0] ^= 1
    (place / "test_batch").write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match="its test images are not cifar10's"):
        loading.load("cifar10", data_dir=tmp_path, cache_dir=tmp_path)


class Command:
    def __reduce__(self):
        return os.system, ("exit 1",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps({b"data": Command()}), "system, which is no array"),
        (b"", "Ran out of input"),
    ],
)
def test_a_damaged_or_hostile_pickle_is_named_and_not_run(tmp_path, content, reason):
    place = unpack(FOLDERS[0], tmp_path, tiny_splits())
    (place / "data_batch_3").write_bytes(content)
    with pytest.raises(UserError, match=f"{FOLDERS[0]} is damaged: .*{reason}"):
        publisher.read("cifar10", tmp_path)


def test_what_is_not_there_is_left_to_tensorflow_datasets(tmp_path):
    assert publisher.read("cifar10", tmp_path) is None
