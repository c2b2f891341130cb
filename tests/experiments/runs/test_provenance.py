"""The commit that rows are marked with."""

import subprocess

import pytest

from experiments.runs import provenance


@pytest.fixture
def checkout(tmp_path):
    def git(*words):
        user = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", "-C", tmp_path, *user, *words], check=True)

    git("init", "-q")
    (tmp_path / "results").mkdir()
    for name in ("code.py", "results/rows.csv"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    return tmp_path


def test_files_that_differ_make_a_commit_dirty(checkout):
    clean = provenance.commit(checkout)
    assert len(clean) == 12
    (checkout / "new.py").write_text("1")  # untracked files do not count
    assert provenance.commit(checkout) == clean
    (checkout / "code.py").write_text("2")
    assert provenance.commit(checkout) == f"{clean}-dirty"


def test_results_do_not_make_a_commit_dirty(checkout):
    clean = provenance.commit(checkout)
    (checkout / "results/rows.csv").write_text("2")
    assert provenance.commit(checkout) == clean


def test_there_is_no_commit_outside_git(tmp_path):
    assert provenance.commit(tmp_path) is None
