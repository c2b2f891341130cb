"""Files are replaced whole or not at all."""

import pytest

from experiments.files import replacing, write_text


def fail_half_way(path):
    with replacing(path) as part:
        part.write_text("ne")
        raise RuntimeError("half way")


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf8_in_any_locale(tmp_path):
    write_text(tmp_path / "a.md", "ε — é")
    assert (tmp_path / "a.md").read_bytes().decode("utf-8") == "ε — é"


def test_the_new_file_keeps_its_suffix_while_it_is_written(tmp_path):
    with replacing(tmp_path / "a.csv.gz") as part:
        assert part.name.endswith(".csv.gz")
        part.write_bytes(b"x")
    assert (tmp_path / "a.csv.gz").read_bytes() == b"x"
