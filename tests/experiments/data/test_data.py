"""Data sets: where they come from, and what is refused."""

import dataclasses
import json
import os

import numpy as np
import pytest

from experiments.data import datasets, loading, prepared
from experiments.errors import UserError
from experiments.machine import files
from tests import damage

TINY = dataclasses.replace(datasets.DATASETS["cifar10"], train=60, test=20)


def tiny_splits(seed=0, train=60, test=20):
    rng = np.random.default_rng(seed)
    return {
        "train_images": rng.integers(0, 256, (train, 32, 32, 3), np.uint8),
        "train_labels": rng.integers(0, 10, train).astype(np.uint8),
        "test_images": rng.integers(0, 256, (test, 32, 32, 3), np.uint8),
        "test_labels": rng.integers(0, 10, test).astype(np.uint8),
    }


CLASSES = tuple("abcdefghij")


def checked(splits):
    return loading._checked(
        datasets.DATASETS["cifar10"], splits, np.array(CLASSES), "here", "mend it"
    )


@pytest.fixture
def tiny_cifar10(monkeypatch):
    """A data set of 60 + 20 images that counts as the published CIFAR-10."""
    splits = tiny_splits()
    published = dataclasses.replace(
        TINY,
        train_fingerprint=loading.fingerprint(
            splits["train_images"], splits["train_labels"]
        ),
        test_fingerprint=loading.fingerprint(
            splits["test_images"], splits["test_labels"]
        ),
    )
    monkeypatch.setitem(datasets.DATASETS, "cifar10", published)
    return splits


def write_cache(directory, splits, name="cifar10", classes=CLASSES):
    np.savez(directory / f"{name}.npz", classes=np.array(classes), **splits)
    return directory / f"{name}.npz"


def test_digits_are_the_1797_images_in_32_by_32_color():
    digits = loading.load("digits")
    assert digits.train_images.shape == (1437, 32, 32, 3)
    assert digits.test_images.shape == (360, 32, 32, 3)
    assert digits.train_images.dtype == np.uint8
    assert digits.train_images.min() == 0
    assert digits.train_images.max() == 255
    # scikit-learn: load_digits().target counts, each class 174 to 183 times.
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    assert np.bincount(labels).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
    ]  # fmt: skip
    assert np.bincount(digits.test_labels).min() >= 25


def test_the_order_depends_on_the_images_alone(tmp_path, tiny_cifar10):
    shuffled = dict(tiny_cifar10)
    order = np.random.default_rng(1).permutation(60)
    for key in ("train_images", "train_labels"):
        shuffled[key] = tiny_cifar10[key][order]
    loaded = []
    for name, splits in (("one", tiny_cifar10), ("two", shuffled)):
        (tmp_path / name).mkdir()
        write_cache(tmp_path / name, splits)
        loaded.append(loading.load("cifar10", cache_dir=tmp_path / name))
    np.testing.assert_array_equal(loaded[0].train_images, loaded[1].train_images)
    np.testing.assert_array_equal(loaded[0].train_labels, loaded[1].train_labels)
    # Images keep their labels.
    by_image = {
        image.tobytes(): label
        for image, label in zip(
            tiny_cifar10["train_images"], tiny_cifar10["train_labels"]
        )
    }
    for image, label in zip(loaded[0].train_images, loaded[0].train_labels):
        assert by_image[image.tobytes()] == label


def test_limit_train_takes_the_first_images(tmp_path, tiny_cifar10):
    write_cache(tmp_path, tiny_cifar10)
    whole = loading.load("cifar10", cache_dir=tmp_path)
    part = loading.load("cifar10", cache_dir=tmp_path, limit_train=7)
    np.testing.assert_array_equal(part.train_images, whole.train_images[:7])
    assert len(part.test_images) == 20
    with pytest.raises(UserError, match="--limit-train 61"):
        loading.load("cifar10", cache_dir=tmp_path, limit_train=61)


def changed(**of):
    """A cache with some arrays changed, each by a function."""

    def damage(path, splits):
        values = {name: change(splits[name]) for name, change in of.items()}
        write_cache(path.parent, splits | values)

    return damage


WRONG_CACHES = {
    "other images": lambda path, splits: write_cache(path.parent, tiny_splits(seed=1)),
    "other labels": changed(train_labels=lambda x: x[::-1]),
    "negative labels": changed(test_labels=lambda x: x.astype(np.int64) - 1),
    "labels with fractions": changed(test_labels=lambda x: x + 0.25),
    "labels of two columns": changed(test_labels=lambda x: np.stack([x] * 2, axis=1)),
    "floats": changed(train_images=lambda x: x / 255),
    "a part of the images": changed(
        train_images=lambda x: x[:30], train_labels=lambda x: x[:30]
    ),
    "objects": changed(test_labels=lambda x: np.array([{}] * 20)),
    "no names of classes": lambda path, splits: np.savez(
        path, classes=np.array("abc"), **splits
    ),
    "an array is missing": lambda path, splits: np.savez(
        path, train_images=splits["train_images"]
    ),
    "a flipped byte": lambda path, splits: (
        write_cache(path.parent, splits),
        damage.with_byte_flipped(path.name)(path.parent),
    ),
    "a pipe": lambda path, splits: damage.FILES["pipe"](path),
}


@pytest.mark.parametrize("make", WRONG_CACHES.values(), ids=list(WRONG_CACHES))
def test_a_wrong_cache_is_named_and_refused(tmp_path, tiny_cifar10, make):
    cache = tmp_path / "cifar10.npz"
    make(cache, tiny_cifar10)
    with pytest.raises(UserError) as caught:
        loading.load("cifar10", cache_dir=tmp_path)
    assert str(cache) in str(caught.value)
    assert "move it away" in str(caught.value)
    assert "pickle" not in str(caught.value)  # NumPy's advice is to allow them
    assert len(str(caught.value).splitlines()) == 1
    assert os.path.lexists(cache)


def test_without_data_and_network_both_ways_are_named(tmp_path, monkeypatch):
    import builtins

    real_import = builtins.__import__

    def no_tfds(name, *args, **kwargs):
        if name == "tensorflow_datasets":
            raise ModuleNotFoundError("No module named 'tensorflow_datasets'")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_tfds)
    with pytest.raises(UserError) as caught:
        loading.load("cifar10", cache_dir=tmp_path)
    message = str(caught.value)
    assert "pip install '.[data]'" in message
    assert str(tmp_path / "cifar10.npz") in message
    assert len(message.splitlines()) <= 5


def test_a_missing_data_dir_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        loading.load("cifar10", data_dir=tmp_path / "nowhere", cache_dir=tmp_path)


def test_a_cache_is_not_shown_half_written(tmp_path, tiny_cifar10, monkeypatch):
    def full_disk(file, **arrays):
        with open(file, "wb") as half:
            half.write(b"PK")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        prepared, "read", lambda *args: (tiny_cifar10, np.array(CLASSES))
    )
    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(UserError, match=r"No space left on device.*--cache-dir"):
        loading.load("cifar10", cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_the_cache_is_asked_for(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(files.Path, "home", no_home)
    with pytest.raises(UserError, match="--cache-dir"):
        files.default_cache_dir()


@pytest.fixture
def publisher(tmp_path, tiny_cifar10, monkeypatch):
    """What the publisher's archive holds, of the small CIFAR-10."""
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("tensorflow")
    raw = tmp_path / "raw" / "cifar-10-batches-bin"
    raw.mkdir(parents=True)

    def records(split):
        images, labels = (
            tiny_cifar10[f"{split}_images"],
            tiny_cifar10[f"{split}_labels"],
        )
        planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        return np.concatenate([labels[:, None], planes], axis=1)

    for i, chunk in enumerate(np.array_split(records("train"), 5)):
        chunk.tofile(raw / f"data_batch_{i + 1}.bin")
    records("test").tofile(raw / "test_batch.bin")
    (raw / "batches.meta.txt").write_text("\n".join(CLASSES) + "\n")
    monkeypatch.setattr(
        tfds.download.DownloadManager,
        "download_and_extract",
        lambda self, url: tmp_path / "raw",
    )
    monkeypatch.setattr(prepared, "_reach_publisher", lambda url: None)
    return tfds


def assert_same(got, splits):
    expected = checked(splits)
    np.testing.assert_array_equal(got.train_images, expected.train_images)
    np.testing.assert_array_equal(got.train_labels, expected.train_labels)
    np.testing.assert_array_equal(got.test_images, expected.test_images)
    np.testing.assert_array_equal(got.test_labels, expected.test_labels)
    assert got.classes == CLASSES


def test_what_is_not_prepared_is_prepared_and_cached(
    tmp_path, tiny_cifar10, publisher, monkeypatch
):
    """The real builder writes a small CIFAR-10; we read it, then only its cache."""
    directory, cache = tmp_path / "tfds", tmp_path / "cache"
    directory.mkdir()
    assert_same(
        loading.load("cifar10", data_dir=directory, cache_dir=cache), tiny_cifar10
    )
    assert prepared._format(prepared.find("cifar10", directory)) == "array_record"
    monkeypatch.setattr(prepared, "read", None)  # the cache alone is read now
    assert_same(loading.load("cifar10", cache_dir=cache), tiny_cifar10)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_both_formats_of_tensorflow_datasets_are_read(
    tmp_path, tiny_cifar10, publisher, file_format
):
    """At the level of --data-dir, one and two too deep, and one too high."""
    directory = tmp_path / "above" / "tfds"
    directory.mkdir(parents=True)
    builder = publisher.builder(
        "cifar10", data_dir=str(directory), file_format=file_format
    )
    builder.download_and_prepare()
    version = prepared.find("cifar10", directory)
    assert prepared._format(version) == file_format
    assert_same(
        loading.load("cifar10", data_dir=directory, cache_dir=tmp_path / "cache"),
        tiny_cifar10,
    )
    for place in (directory / "cifar10", version, directory.parent):
        assert prepared.find("cifar10", place) == version
        assert prepared.find("cifar100", place) is None


def write_info(directory, **info):
    directory.mkdir(parents=True)
    (directory / prepared.INFO).write_text(json.dumps(info))
    return directory


def test_tfrecord_without_tensorflow_says_that_it_is_needed(tmp_path, monkeypatch):
    version = write_info(
        tmp_path / "cifar10" / "3.0.2", name="cifar10", fileFormat="tfrecord"
    )
    monkeypatch.setattr(prepared, "_installed", lambda package: False)
    reason = "a long reason " * 40

    def unreadable(path):
        raise ImportError(reason)

    monkeypatch.setattr(prepared, "_read", unreadable)
    with pytest.raises(UserError) as caught:
        loading.load("cifar10", data_dir=tmp_path, cache_dir=tmp_path / "cache")
    message = str(caught.value)
    assert f"{version} was prepared as tfrecord" in message
    assert "only TensorFlow reads this format" in message
    assert reason.strip() in message  # whole
    assert str(tmp_path / "cache" / "cifar10.npz") in message


def test_the_newest_version_is_read_and_array_record_before_tfrecord(tmp_path):
    for version, file_format in (
        ("3.0.9", "tfrecord"),
        ("3.0.10", "tfrecord"),
        ("4.0.0", "array_record"),
    ):
        newest = write_info(tmp_path / "cifar10" / version, fileFormat=file_format)
        assert prepared.find("cifar10", tmp_path) == newest
    write_info(tmp_path / "cifar10" / "5.0.0", fileFormat="tfrecord")
    assert prepared.find("cifar10", tmp_path) == newest


@pytest.mark.parametrize("content", ["{", "[]", '{"fileFormat": 3}'])
def test_a_damaged_description_is_no_traceback(tmp_path, content):
    version = write_info(tmp_path / "cifar10" / "3.0.2")
    (version / prepared.INFO).write_text(content)
    with pytest.raises(UserError, match=r"(?s)was prepared as.*an empty"):
        loading.load("cifar10", data_dir=tmp_path, cache_dir=tmp_path / "cache")
