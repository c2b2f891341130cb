"""Data sets: where they come from, and what is refused."""

import dataclasses

import numpy as np
import pytest

from experiments import data
from experiments.errors import UserError

TINY = data.Published(10, 60, 20, 0, 0)


def tiny_splits(seed=0, train=60, test=20):
    rng = np.random.default_rng(seed)
    return {
        "train_images": rng.integers(0, 256, (train, 32, 32, 3), np.uint8),
        "train_labels": rng.integers(0, 10, train).astype(np.uint8),
        "test_images": rng.integers(0, 256, (test, 32, 32, 3), np.uint8),
        "test_labels": rng.integers(0, 10, test).astype(np.uint8),
    }


CLASSES = tuple("abcdefghij")


@pytest.fixture
def tiny_cifar10(monkeypatch):
    """A data set of 60 + 20 images that counts as the published CIFAR-10."""
    splits = tiny_splits()
    published = dataclasses.replace(
        TINY,
        train_fingerprint=data.fingerprint(
            splits["train_images"], splits["train_labels"]
        ),
        test_fingerprint=data.fingerprint(splits["test_images"], splits["test_labels"]),
    )
    monkeypatch.setitem(data.PUBLISHED, "cifar10", published)
    return splits


def write_cache(directory, splits, name="cifar10", classes=CLASSES):
    np.savez(directory / f"{name}.npz", classes=np.array(classes), **splits)
    return directory / f"{name}.npz"


def test_digits_are_the_1797_images_in_32_by_32_colour():
    digits = data.load("digits")
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
        loaded.append(data.load("cifar10", cache_dir=tmp_path / name))
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
    whole = data.load("cifar10", cache_dir=tmp_path)
    part = data.load("cifar10", cache_dir=tmp_path, limit_train=7)
    np.testing.assert_array_equal(part.train_images, whole.train_images[:7])
    assert len(part.test_images) == 20
    with pytest.raises(UserError, match="--limit-train 61"):
        data.load("cifar10", cache_dir=tmp_path, limit_train=61)


def test_a_part_of_the_training_set_needs_limit_train(tmp_path, tiny_cifar10):
    part = {
        key: value[:30] if key.startswith("train") else value
        for key, value in tiny_cifar10.items()
    }
    write_cache(tmp_path, part)
    with pytest.raises(UserError, match="30 of its 60 training images"):
        data.load("cifar10", cache_dir=tmp_path)
    assert len(data.load("cifar10", cache_dir=tmp_path, limit_train=30).train_labels)


def damaged_caches():
    def truncated(path, splits):
        write_cache(path.parent, splits)
        path.write_bytes(path.read_bytes()[:-5000])

    def flipped_byte(path, splits):
        write_cache(path.parent, splits)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(bytes(content))

    def empty(path, splits):
        path.write_bytes(b"")

    def not_numpy(path, splits):
        path.write_text("hello")

    def other_labels(path, splits):
        splits = splits | {"train_labels": splits["train_labels"][::-1]}
        write_cache(path.parent, splits)

    def other_images(path, splits):
        write_cache(path.parent, tiny_splits(seed=1))

    def hundred_classes(path, splits):
        splits = splits | {"train_labels": splits["train_labels"] + 50}
        write_cache(path.parent, splits)

    def missing_array(path, splits):
        splits = {key: splits[key] for key in splits if key != "test_labels"}
        write_cache(path.parent, splits)

    def floats(path, splits):
        splits = splits | {"train_images": splits["train_images"] / 255}
        write_cache(path.parent, splits)

    def too_few_test_images(path, splits):
        splits = splits | {key: splits[key][:10] for key in splits if "test" in key}
        write_cache(path.parent, splits)

    def objects(path, splits):
        write_cache(path.parent, splits | {"test_labels": np.array([{}] * 20)})

    return list(locals().values())


@pytest.mark.parametrize("damage", damaged_caches(), ids=lambda d: d.__name__)
def test_a_wrong_cache_is_named_and_refused(tmp_path, tiny_cifar10, damage):
    cache = tmp_path / "cifar10.npz"
    damage(cache, tiny_cifar10)
    with pytest.raises(UserError) as caught:
        data.load("cifar10", cache_dir=tmp_path)
    assert str(cache) in str(caught.value)
    assert "delete it" in str(caught.value)
    assert cache.exists()


def test_without_data_and_network_both_ways_are_named(tmp_path, monkeypatch):
    import builtins

    real_import = builtins.__import__

    def no_tfds(name, *args, **kwargs):
        if name == "tensorflow_datasets":
            raise ModuleNotFoundError("No module named 'tensorflow_datasets'")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_tfds)
    with pytest.raises(UserError) as caught:
        data.load("cifar10", cache_dir=tmp_path)
    message = str(caught.value)
    assert "pip install '.[data]'" in message
    assert str(tmp_path / "cifar10.npz") in message
    assert len(message.splitlines()) <= 5


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UserError, match="digits, cifar10, cifar100"):
        data.load("mnist")


def test_a_missing_data_dir_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        data.load("cifar10", data_dir=tmp_path / "nowhere", cache_dir=tmp_path)


def test_an_unwritable_cache_dir_is_named(tmp_path, tiny_cifar10):
    dataset = data._canonical("cifar10", tiny_cifar10, CLASSES)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--cache-dir"):
        data._write_cache(dataset, tmp_path / "file" / "cifar10.npz")


def test_a_prepared_tfds_directory_is_read_and_cached(
    tmp_path, tiny_cifar10, monkeypatch
):
    """The real builder writes a small CIFAR-10; we read it, then only its cache."""
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
    monkeypatch.setattr(data, "_reach_publisher", lambda: None)
    prepared, cache = tmp_path / "tfds", tmp_path / "cache"
    prepared.mkdir()
    first = data.load("cifar10", data_dir=prepared, cache_dir=cache)
    expected = data._canonical("cifar10", tiny_cifar10, CLASSES)
    np.testing.assert_array_equal(first.train_images, expected.train_images)
    np.testing.assert_array_equal(first.train_labels, expected.train_labels)
    np.testing.assert_array_equal(first.test_images, expected.test_images)
    assert first.classes == CLASSES
    monkeypatch.setattr(data, "_read_tfds", None)  # the cache alone is read now
    again = data.load("cifar10", cache_dir=cache)
    np.testing.assert_array_equal(first.train_images, again.train_images)
