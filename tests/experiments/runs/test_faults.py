"""What goes wrong around a sweep: full and read-only disks, two sweeps, divergence."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments.commands.cli import main
from experiments.errors import UserError
from experiments.report import sheets
from experiments.runs import checkpoints, rows
from experiments.runs.run_directory import find_runs
from experiments.train.step import TrainState
from tests.helpers import VGG, compare, small, written

COMMAND = [sys.executable, "-m", "experiments"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_keeps_what_is_there_and_the_run_resumes(small_disk):
    # 62,006 parameters, with momentum and moments: a checkpoint of SimpleCNN's SGD is
    # 0.5 MB, two are kept and a third is written beside them.
    argv = [*COMMAND, *small("train", "--checkpoint-minutes", "0")]
    argv += ["--epochs", "6", "--out", str(small_disk / "out")]
    filler = small_disk / "filler"
    filler.write_bytes(b"0" * 2_200_000)
    full = subprocess.run(argv, capture_output=True, text=True)
    assert full.returncode == 2
    assert full.stderr.startswith("error: cannot write a checkpoint to")
    assert "No space left" in full.stderr
    assert full.stderr.count("\n") == 1
    (work,) = (small_disk / "out" / "runs").glob(".*.work")
    assert [path.name for path in work.iterdir()] == ["2.npz"]
    filler.unlink()
    again = subprocess.run([*argv, "--resume"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "resumes from step 2" in again.stdout


def test_a_directory_that_cannot_be_written_to(tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    if os.access(out, os.W_OK):  # root: only the kernel's own directories refuse
        out = "/proc/landmod"
    assert main(small("train", "--out", str(out))) == 2
    assert f"cannot write results to {out}" in capsys.readouterr().err


def state(step):
    return TrainState(jnp.int32(step), {"w": jnp.arange(3.0)}, {}, ())


def newest(work):
    """The step of the newest intact checkpoint, what it counted, and what is said."""
    said, counted = [], []
    abstract = jax.eval_shape(lambda: state(0))
    resumed = checkpoints.newest(work, abstract, said.append, counted.append)
    return resumed and int(resumed.step), counted, said


def test_a_checkpoint_that_fails_midway_leaves_the_ones_before(tmp_path, monkeypatch):
    def fail(*args, **options):
        raise OSError(122, "Disk quota exceeded")

    checkpoints.save(tmp_path, state(3), {})
    monkeypatch.setattr(checkpoints.np, "savez", fail)
    with pytest.raises(UserError, match=r"cannot write a checkpoint .* quota exceeded"):
        checkpoints.save(tmp_path, state(7), {})
    assert [path.name for path in tmp_path.iterdir()] == ["3.npz"]


def test_checkpoints_that_were_skipped_do_not_outlive_newer_ones(tmp_path):
    """A run that starts again, past damaged checkpoints, keeps what it saves."""
    for step in ("700", "900"):
        (tmp_path / f"{step}.npz").write_bytes(b"PK")
    assert newest(tmp_path)[0] is None
    for step in (3, 5, 7):
        checkpoints.save(tmp_path, state(step), {"bytes": step})
    assert {path.name for path in tmp_path.iterdir()} == {"5.npz", "7.npz"}
    assert newest(tmp_path) == (7, [{"bytes": 7}], [])


@pytest.mark.parametrize("name", ["arr_1", "rows"])
def test_a_checkpoint_that_has_changed_is_skipped(name, tmp_path):
    for step in (3, 7):
        checkpoints.save(tmp_path, state(step), {"bytes": step})
    with np.load(tmp_path / "7.npz") as archive:
        arrays = dict(archive)
    changed = {"arr_1": arrays["arr_1"] + 1, "rows": np.array('{"bytes": 8}')}
    np.savez(tmp_path / "7.npz", **arrays | {name: changed[name]})
    step, counted, (said,) = newest(tmp_path)
    assert (step, counted) == (3, [{"bytes": 3}])
    assert "7.npz is damaged" in said


@pytest.mark.slow
def test_commands_in_one_directory_share_its_runs(tmp_path):
    """The second does all runs but the first one's, which sleeps at work on it."""
    argv = [*small("table", "digits", "--optimizers", "sgd"), "--seeds", "0", "1"]
    argv += ["--arms", "base", "lm", "shuffled_scale", "--resume", "--out"]
    assert main([*argv, str(tmp_path / "alone")]) == 0
    shared = tmp_path / "shared"
    command = [sys.executable, "-u", "-m", "experiments", *argv, str(shared)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        while "run 1 of 6" not in first.stdout.readline():
            assert first.poll() is None
        first.send_signal(signal.SIGSTOP)
        second = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        first.send_signal(signal.SIGCONT)
        said, _ = first.communicate()
    assert first.returncode == 0
    assert "is being run by another process" in second.stdout
    assert (second.stdout.count("epoch 1/1"), said.count("epoch 1/1")) == (5, 1)
    compare(find_runs([tmp_path / "alone"]), find_runs([shared]))
    assert not list((shared / "runs").glob(".*"))
    log = (shared / "log.txt").read_text("utf-8")
    assert (log.count("  $ python -m experiments table"), log.count("epoch 1/1")) == (
        2, 6,
    )  # fmt: skip


@pytest.mark.usefixtures("undrawn")
def test_a_sweep_continues_after_a_run_that_diverged(tmp_path, capsys):
    argv = small("compare", "--seeds", "0", "--learning-rate", "1e18")
    assert main([*argv, "--epochs", "3", "--out", str(tmp_path)]) == 0
    runs = find_runs([tmp_path])
    assert len(runs) == 2
    results = [run.result for run in runs if run.result["status"] == "diverged"]
    assert results
    for result in results:
        assert result["collapsed"]
        assert result["steps"] in (2, 4)  # of three epochs of two steps
    shown = capsys.readouterr().out
    assert "diverged" in shown
    assert "diverged" in (tmp_path / "report.html").read_text()


def made(path, accuracy):
    """A directory of run directories with these accuracies by (arm, seed)."""
    written(path, accuracy, **VGG)
    return path


@pytest.fixture
def study(tmp_path):
    """A study of one run; returns its directory and another run to be added."""
    first = made(tmp_path / "first", {("base", 0): 11.0})
    more = made(tmp_path / "more", {("lm", 0): 12.0, ("base", 1): 13.0})
    assert main(["collect", str(first), "--out", str(tmp_path / "study")]) == 0
    return tmp_path / "study", more


def content(study):
    """What a reader makes of a study."""
    return {
        run.path.name: (run.result, run.steps.to_csv(), run.epochs.to_csv())
        for run in rows.read(study)
    }


def test_a_study_is_the_old_or_the_new_one_at_every_moment(
    study, tmp_path, monkeypatch
):
    """Copied before and after each write and rename, as a kill there would leave it."""
    directory, more = study
    seen = []

    def watched(function):
        def call(*args, **options):
            seen.append(shutil.copytree(directory, tmp_path / f"copy{len(seen)}"))
            result = function(*args, **options)
            seen.append(shutil.copytree(directory, tmp_path / f"copy{len(seen)}"))
            return result

        return call

    old = content(directory)
    with monkeypatch.context() as patched:
        patched.setattr(pd.DataFrame, "to_csv", watched(pd.DataFrame.to_csv))
        patched.setattr(os, "replace", watched(os.replace))
        assert main(["collect", str(more), "--out", str(directory)]) == 0
    new = content(directory)
    assert len(new) == 3 != len(old)
    assert len(seen) >= 6
    for copy in seen:
        assert content(copy) in (old, new)
        # Collecting can continue from the copy.
        assert main(["collect", str(more), "--out", str(copy)]) == 0
        assert content(copy) == new
    assert {path.name for path in directory.iterdir()} == {
        "runs.csv",
        "windows.csv.gz",
        "epochs.csv.gz",
    }


@pytest.mark.parametrize("nth", [1, 3])
def test_a_full_disk_keeps_a_study(nth, study, monkeypatch, capsys):
    directory, more = study
    before = {path: path.read_bytes() for path in directory.iterdir()}
    with monkeypatch.context() as patched:
        fill_up(patched, nth)
        assert main(["collect", str(more), "--out", str(directory)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: cannot write the study {directory}")
    assert "No space left" in error
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


def test_a_full_disk_keeps_the_sheets(tmp_path, monkeypatch):
    runs = find_runs([made(tmp_path / "runs", {("base", 0): 11.0})])
    sheets.write_sheets(runs, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    assert len(before) == 5
    fill_up(monkeypatch, 3)
    with pytest.raises(OSError, match="No space left"):
        sheets.write_sheets(runs, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.csv")} == before


def fill_up(patched, nth):
    """The n-th table is written half, and then the disk is full."""
    written_before, really = [], pd.DataFrame.to_csv

    def to_csv(self, file, *args, **options):
        written_before.append(file)
        if len(written_before) < nth:
            return really(self, file, *args, **options)
        really(self.iloc[: len(self) // 2], file, *args, **options)
        raise OSError(28, "No space left on device")

    patched.setattr(pd.DataFrame, "to_csv", to_csv)


def test_collecting_waits_for_another(study, monkeypatch, capsys):
    directory, more = study
    held = os.open(directory / ".collect.lock", os.O_CREAT | os.O_RDWR)
    really = fcntl.flock

    def flock(descriptor, how):
        if how == fcntl.LOCK_EX:  # it waits
            os.close(held)
        really(descriptor, how)

    really(held, fcntl.LOCK_EX)
    monkeypatch.setattr(fcntl, "flock", flock)
    assert main(["collect", str(more), "--out", str(directory)]) == 0
    assert "waiting for another collect" in capsys.readouterr().err


def test_a_copied_run_is_one_row(study, tmp_path):
    directory, more = study
    assert main(["collect", str(more), "--out", str(directory)]) == 0
    before = (directory / "runs.csv").read_bytes()
    (run, *_) = (path.parent for path in more.rglob("result.json"))
    shutil.copytree(run, tmp_path / "copies" / "a copy")
    argv = ["collect", str(tmp_path / "copies"), "--out", str(directory)]
    assert main(argv) == 0
    assert (directory / "runs.csv").read_bytes() == before
