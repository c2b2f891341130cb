"""Rows that grow with a run: what they say, and what a kill or damage leaves of it."""

import numpy as np
import pandas as pd
import pytest

from experiments.errors import UserError
from experiments.runs import checkpoints, growing
from experiments.runs.run_directory import read_run
from tests import damage
from tests.helpers import SHORT, SHORT_EPOCH, Quiet, compare, train_short


class Killed(BaseException):
    """What a SIGKILL is to the code that it meets: nothing runs after it."""


class Copies(Quiet):
    """Progress that keeps what is in the directory of the growing rows by then."""

    def __init__(self, path):
        super().__init__()
        self.directory = growing.directory(path)
        self.seen = []

    def begin(self, label, steps, unit="steps"):
        self.seen.append({p.name: p.read_bytes() for p in self.directory.iterdir()})

    def line(self, text):
        if self.seen:  # it has begun
            self.begin(text, 0)


def test_the_rows_are_the_run_s_so_far(trainer, tmp_path):
    path = tmp_path / "run"
    copies = Copies(path)
    train_short(trainer, path, progress=copies)
    assert len(copies.seen) == SHORT.epochs + 1
    for name in ("steps.csv", "epochs.csv"):
        whole = (path / name).read_bytes()
        texts = [seen[name] for seen in copies.seen]
        assert texts[-1] == whole
        for text, lines in zip(texts, range(SHORT.epochs + 1), strict=True):
            assert whole.startswith(text)
            rows = lines * (SHORT_EPOCH if name == "steps.csv" else 1)
            assert text.count(b"\n") == rows + 1
    assert {seen["config.json"] for seen in copies.seen} == {
        (path / "config.json").read_bytes()
    }
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def killed_after(monkeypatch, owner, name, count):
    """The count-th call of a function is the last thing that the process does."""
    function, calls = getattr(owner, name), []

    def call(*args):
        function(*args)
        calls.append(args)
        if len(calls) == count:
            raise Killed

    monkeypatch.setattr(owner, name, call)


def train_until_killed(trainer, path, **options):
    with pytest.raises(Killed):
        train_short(trainer, path, **options)
    assert not path.exists()


def assert_resumes(trainer, path, whole, step):
    """From this step, to the run that was left alone; without traces."""
    progress = Quiet()
    train_short(trainer, path, progress=progress, checkpoint_minutes=60.0)
    resumes = [line for line in progress.lines if "resumes from step" in line]
    assert [line.split()[-1] for line in resumes] == ([str(step)] if step else [])
    assert (path / "steps.csv").read_bytes() == (whole / "steps.csv").read_bytes()
    pd.testing.assert_frame_equal(
        *(
            pd.read_csv(run / "epochs.csv").drop(columns="seconds")
            for run in (path, whole)
        )
    )
    compare([read_run(whole)], [read_run(path)])
    assert {p.name for p in path.parent.iterdir()} == {"run"}


# Minutes between checkpoints, and rows that are written when the kill comes: those of
# two epochs, each its steps and then its test, or a part of the last ones.
@pytest.mark.parametrize("minutes", [0.0, 60.0])
@pytest.mark.parametrize("rows", [2, 3, 4])
@pytest.mark.parametrize("lost", ["nothing", "a row", "the end of a row"])
def test_a_kill_between_checkpoints_leaves_nothing_that_changes_the_run(
    minutes, rows, lost, trainer, whole, tmp_path, monkeypatch
):
    path = tmp_path / "run"
    with monkeypatch.context() as patched:
        killed_after(patched, growing.Rows, "add", rows)
        train_until_killed(trainer, path, checkpoint_minutes=minutes)
    name = "epochs.csv" if rows % 2 == 0 else "steps.csv"
    file = growing.directory(path) / name
    lines = file.read_bytes().splitlines(keepends=True)
    if lost == "a row":
        file.write_bytes(b"".join(lines[:-1]))
    elif lost == "the end of a row":
        file.write_bytes(b"".join(lines)[:-3])
    done = 0 if minutes or rows == 2 else SHORT_EPOCH
    assert_resumes(trainer, path, whole, done)


@pytest.mark.parametrize(
    ("owner", "name", "count", "step"),
    [
        (checkpoints, "save", 2, 2 * SHORT_EPOCH),
        # config.json, meta.json, result.json
        (growing, "_write_json", 2, 2 * SHORT_EPOCH),
        (growing, "_write_json", 3, 2 * SHORT_EPOCH),
        (growing, "flush_tree", 1, 2 * SHORT_EPOCH),
    ],
)
def test_a_kill_after_a_checkpoint_or_at_the_end_leaves_a_run_that_resumes(
    owner, name, count, step, trainer, whole, tmp_path, monkeypatch
):
    path = tmp_path / "run"
    with monkeypatch.context() as patched:
        killed_after(patched, owner, name, count)
        train_until_killed(trainer, path)
    assert_resumes(trainer, path, whole, step)


ROW_DAMAGE = {
    "another loss": lambda name: damage.edited(name, "\n2,1,2", "\n2,1,1"),
    "cut off": lambda name: damage.cut(name, 0.97),
    "missing": lambda name: damage.replaced(name, damage.FILES["missing"]),
}


@pytest.mark.parametrize("kind", ROW_DAMAGE)
def test_rows_that_have_changed_skip_the_checkpoints_that_counted_them(
    kind, trainer, whole, tmp_path, monkeypatch
):
    path = tmp_path / "run"
    with monkeypatch.context() as patched:
        killed_after(patched, checkpoints, "save", 2)
        train_until_killed(trainer, path)
    ROW_DAMAGE[kind]("steps.csv")(growing.directory(path))
    # What is cut off from the end belongs to the newer checkpoint only.
    assert_resumes(trainer, path, whole, SHORT_EPOCH if kind == "cut off" else 0)


def test_rows_that_cannot_be_written_end_the_run_with_one_line(
    trainer, tmp_path, monkeypatch
):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    path = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(growing.os, "fsync", full)
        with pytest.raises(UserError, match=r"cannot write .* No space left.*--resume"):
            train_short(trainer, path)
    train_short(trainer, path)
    np.testing.assert_array_equal(read_run(path).steps["step"], np.arange(1, 22))
