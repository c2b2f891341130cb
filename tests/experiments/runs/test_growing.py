"""Rows that grow with a run: what they say, and what a kill or damage leaves of it."""

import io
import os

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


def without_seconds(text):
    return pd.read_csv(io.BytesIO(text)).drop(columns="seconds")


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


# Where a kill may meet an epoch: around its rows, within them, after a checkpoint.
MOMENTS = (
    "before rows",
    "within rows",
    "within a row",
    "between steps and test",
    "after rows",
    "after save",
)
# Minutes between checkpoints, the moment, and the epoch.
KILLS = [(0.0, moment, 2) for moment in MOMENTS]
KILLS += [(0.0, "within rows", 1), (60.0, "within a row", 1), (60.0, "after rows", 2)]


@pytest.mark.parametrize(("minutes", "moment", "epoch"), KILLS)
def test_a_kill_leaves_nothing_that_changes_the_run(
    minutes, moment, epoch, trainer, whole, tmp_path, monkeypatch
):
    path = tmp_path / "run"
    add, save = growing.Rows.add, checkpoints.save
    added, saved = [], []

    def killed_add(self, name, frame):
        added.append(name)
        if len(added) < 2 * epoch - 1 or moment == "after save":
            add(self, name, frame)
            return
        if name == "epochs" or moment != "before rows":
            part = frame.iloc[: 2 if moment == "within rows" else None]
            add(self, name, part)
        if moment == "within a row":
            file = growing.directory(path) / f"{name}.csv"
            file.write_bytes(file.read_bytes()[:-3])
        if name == "epochs" or moment != "after rows":
            raise Killed

    def killed_save(*args):
        save(*args)
        saved.append(args)
        if len(saved) == epoch and moment == "after save":
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(growing.Rows, "add", killed_add)
        patched.setattr(checkpoints, "save", killed_save)
        with pytest.raises(Killed):
            train_short(trainer, path, checkpoint_minutes=minutes)
    assert not path.exists()
    copies = Copies(path)
    train_short(trainer, path, progress=copies, checkpoint_minutes=60.0)
    # The first that is seen is what the checkpoint has, and no more.
    done = 0 if minutes else epoch - (moment != "after save")
    assert copies.seen[0]["steps.csv"].count(b"\n") == done * SHORT_EPOCH + 1
    assert copies.seen[0]["epochs.csv"].count(b"\n") == done + 1
    assert copies.seen[-1]["steps.csv"] == (path / "steps.csv").read_bytes()
    assert (path / "steps.csv").read_bytes() == (whole / "steps.csv").read_bytes()
    pd.testing.assert_frame_equal(
        without_seconds((path / "epochs.csv").read_bytes()),
        without_seconds((whole / "epochs.csv").read_bytes()),
    )
    compare([read_run(whole)], [read_run(path)])
    assert {p.name for p in tmp_path.iterdir()} == {"run"}


@pytest.mark.parametrize(
    ("name", "minutes"),
    [("meta.json", 60.0), ("result.json", 0.0), ("renamed", 0.0)],
)
def test_a_kill_at_the_end_leaves_a_run_that_resumes(
    name, minutes, trainer, whole, tmp_path, monkeypatch
):
    path, write = tmp_path / "run", growing._write_json

    def killed(file, value):
        write(file, value)
        if file.name == name:
            raise Killed

    def killed_replace(old, new):
        if str(old).endswith(".live"):
            raise Killed
        os.rename(old, new)

    with monkeypatch.context() as patched:
        patched.setattr(growing, "_write_json", killed)
        if name == "renamed":
            patched.setattr(os, "replace", killed_replace)
        with pytest.raises(Killed):
            train_short(trainer, path, checkpoint_minutes=minutes)
    assert not path.exists()
    train_short(trainer, path, checkpoint_minutes=60.0)
    compare([read_run(whole)], [read_run(path)])
    assert {p.name for p in tmp_path.iterdir()} == {"run"}


ROW_DAMAGE = {
    "a changed byte": damage.with_byte_flipped,
    "cut off": lambda name: damage.cut(name, 0.97),
    "missing": lambda name: damage.replaced(name, damage.FILES["missing"]),
    "a pipe": lambda name: damage.replaced(name, damage.FILES["pipe"]),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [*(("steps.csv", kind) for kind in ROW_DAMAGE), ("epochs.csv", "a changed byte")],
)
def test_rows_that_have_changed_skip_the_checkpoints_that_counted_them(
    name, kind, trainer, whole, tmp_path, monkeypatch
):
    path, save, saved = tmp_path / "run", checkpoints.save, []

    def killed_save(*args):
        save(*args)
        saved.append(args)
        if len(saved) == 2:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save", killed_save)
        with pytest.raises(Killed):
            train_short(trainer, path)
    ROW_DAMAGE[kind](name)(growing.directory(path))
    progress = Quiet()
    train_short(trainer, path, progress=progress)
    skipped = [line for line in progress.lines if "damaged and was skipped" in line]
    # What is cut off from the end belongs to the newer checkpoint only.
    older = kind == "cut off"
    assert len(skipped) == (1 if older else 2)
    assert any(f"from step {SHORT_EPOCH}" in line for line in progress.lines) == older
    compare([read_run(whole)], [read_run(path)])
    assert {p.name for p in tmp_path.iterdir()} == {"run"}


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
