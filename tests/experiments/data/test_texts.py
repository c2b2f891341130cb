"""Texts: how they are split, where they come from, and what is refused."""

import hashlib

import numpy as np
import pytest

from experiments.data import prepared, texts
from experiments.errors import UserError

TEXT = "To be, or not to be: that is the question.\n" * 5


@pytest.fixture
def known(monkeypatch):
    """A short text that counts as Tiny Shakespeare."""
    monkeypatch.setattr(texts, "SHA256", hashlib.sha256(TEXT.encode()).hexdigest())


def decoded(text):
    return ["".join(text.characters[i] for i in part) for part in text[1:]]


def test_a_text_is_split_into_90_5_and_5_percent(tmp_path, known):
    (tmp_path / texts.FILE).write_text(TEXT)
    text = texts.shakespeare(None, tmp_path)
    assert decoded(text) == [TEXT[:193], TEXT[193:204], TEXT[204:]]  # of 215
    assert text.characters == "".join(sorted(set(TEXT)))
    assert {part.dtype for part in text[1:]} == {np.dtype(np.uint8)}


def test_descriptions_need_no_download():
    text = texts.descriptions()
    sizes = [len(part) for part in text[1:]]
    assert 20_000 < sum(sizes) < 100_000
    assert sizes[0] == int(0.8 * sum(sizes))
    assert abs(sizes[1] - sizes[2]) <= 1
    assert "Fisher" in "".join(decoded(text))
    assert 60 < len(text.characters) <= 256


def other(path):
    path.write_text(TEXT.replace("be", "see"))


def directory(path):
    path.mkdir()


def cut(path):
    path.write_bytes(TEXT.encode()[:-1])


@pytest.mark.parametrize("damage", [other, directory, cut])
def test_a_wrong_cache_is_named_and_kept(tmp_path, known, damage):
    path = tmp_path / texts.FILE
    damage(path)
    with pytest.raises(
        UserError, match="move it away or choose another --cache-dir"
    ) as e:
        texts.shakespeare(None, tmp_path)
    assert str(path) in str(e.value)
    assert path.exists()


def test_without_data_and_network_both_ways_are_named(tmp_path, monkeypatch):
    def unreachable(url):
        assert "char-rnn" in url
        raise OSError("no network")

    pytest.importorskip("tensorflow_datasets")
    monkeypatch.setattr(prepared, "_reach_publisher", unreachable)
    (tmp_path / "tfds").mkdir()
    with pytest.raises(UserError) as e:
        texts.shakespeare(tmp_path / "tfds", tmp_path / "cache")
    assert "pip install '.[data]'" in str(e.value)
    assert f"put {texts.FILE} from another machine's cache at" in str(e.value)
    assert "no network" in str(e.value)


def test_what_is_not_prepared_is_prepared_and_cached(tmp_path, known, monkeypatch):
    """The real builder writes a short text; we read it, then only the cache."""
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("tensorflow")
    (tmp_path / "input.txt").write_text(TEXT)
    monkeypatch.setattr(
        tfds.download.DownloadManager,
        "download",
        lambda self, url: str(tmp_path / "input.txt"),
    )
    monkeypatch.setattr(prepared, "_reach_publisher", lambda url: None)
    (tmp_path / "tfds").mkdir()
    places = tmp_path / "tfds", tmp_path / "cache"
    first = texts.shakespeare(*places)
    assert "".join(decoded(first)) == TEXT
    monkeypatch.setattr(prepared, "read", None)
    second = texts.shakespeare(*places)
    assert decoded(second) == decoded(first)


def test_another_text_from_tensorflow_datasets_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "read", lambda *arguments: TEXT.encode())
    with pytest.raises(UserError, match="is not Tiny Shakespeare"):
        texts.shakespeare(None, tmp_path)
    assert not (tmp_path / texts.FILE).exists()
