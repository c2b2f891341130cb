"""Result directories: whose they are, who uses them, and what --overwrite deletes."""

import fcntl
import os
import shutil

import pytest

from experiments.commands.cli import main
from experiments.config.execution import Execution
from experiments.errors import UserError
from experiments.machine import locks
from experiments.runs import result_directory, single, sweep
from experiments.runs.run_directory import find_runs, is_run
from tests.helpers import small

OVERWRITE = Execution(overwrite=True)
RUN = "digits-simple_cnn-sgd-lm-s0-0123456789"


def files(root):
    return {path for path in root.rglob("*") if path.is_file()}


def put(path, text="precious"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def made(tmp_path):
    """A result directory as a sweep leaves it, with runs that are done and half done"""
    out = tmp_path / "out"
    with result_directory.opened(out, Execution()) as runs:
        for name in ("config.json", "meta.json", "steps.csv", "epochs.csv"):
            put(runs / RUN / name)
            put(runs / f".{RUN[:-1]}a.part" / name)
        put(runs / RUN / "result.json")
        put(runs / RUN / "weights.npz")
        for step in ("7", ".9.part"):
            put(runs / f".{RUN[:-1]}b.work" / step / "metrics.npz")
            put(runs / f".{RUN[:-1]}b.work" / step / "digest")
            put(runs / f".{RUN[:-1]}b.work" / step / "state" / "d" / "0")
        put(runs / f".{RUN[:-1]}b.lock", "")
        for name in ("report.html", "report_avg_loss.csv", "c.png", "report.csv"):
            put(out / name)
        put(out / ".0a1b2c3d.part.loss.png")
    with result_directory.opened(out / "lr-sweep", Execution()) as runs:
        put(runs / RUN / "config.json")
        put(out / "lr-sweep" / "rates.csv")
    return out


def test_overwrite_deletes_all_that_was_written(made):
    with result_directory.opened(made, OVERWRITE) as runs:
        assert {*made.rglob("*")} == {made / result_directory.MARK, runs}


def test_overwrite_deletes_nothing_else(made, tmp_path):
    kept = {
        put(made / "notes.txt"),
        put(made / "my.png"),
        put(made / "runs" / "yolo" / "weights.pt"),
        put(made / "runs" / "yolo" / "config.json"),
        put(made / "runs" / RUN / "my plot.png"),
        put(made / "runs" / f".{RUN[:-1]}b.work" / "7" / "mine"),
        put(made / "runs" / f".{RUN[:-1]}b.work" / "notes"),
        put(made / "lr-sweep" / "notes.txt"),
        put(made / "src" / "report.html"),
        put(tmp_path / "elsewhere" / "config.json"),
    }
    (made / "runs" / RUN.replace("s0", "s1")).symlink_to(tmp_path / "elsewhere")
    with result_directory.opened(made, OVERWRITE):
        pass
    assert files(tmp_path) == {*kept, made / result_directory.MARK}


@pytest.mark.parametrize("flag", ["--overwrite", "--resume", None])
def test_a_folder_called_runs_makes_no_result_directory(flag, tmp_path, capsys):
    kept = {
        put(tmp_path / "thesis.tex"),
        put(tmp_path / ".git" / "HEAD"),
        put(tmp_path / "runs" / "yolo" / "result.json"),
    }
    argv = small("train", "--out", str(tmp_path), *([flag] if flag else []))
    assert main(argv) == 2
    assert "not a result directory: choose another --out" in capsys.readouterr().err
    assert files(tmp_path) == kept


def test_runs_from_before_the_mark_are_taken_up_by_resume(made):
    (made / result_directory.MARK).unlink()
    before = files(made)
    with (
        pytest.raises(UserError, match=r"no \.landmod-results.*--resume"),
        result_directory.opened(made, OVERWRITE),
    ):
        pass
    assert files(made) == before
    with result_directory.opened(made, Execution(resume=True)):
        pass
    assert files(made) == before | {made / result_directory.MARK}
    with result_directory.opened(made, OVERWRITE):
        pass
    assert files(made) == {made / result_directory.MARK}


@pytest.mark.parametrize("place", ["cwd", "home", "below", "checkout"])
def test_overwrite_never_empties_these_places(place, made, monkeypatch, tmp_path):
    below = made / "below"
    below.mkdir()
    if place == "home":
        monkeypatch.setenv("HOME", str(made))
    elif place == "checkout":
        monkeypatch.setattr(
            result_directory, "__file__", str(made / "experiments" / "x.py")
        )
    else:
        monkeypatch.chdir(below if place == "below" else made)
    link = tmp_path / "link"
    link.symlink_to(made)
    before = files(made)
    for out in (made, link):
        with (
            pytest.raises(UserError, match=r"--overwrite deletes nothing in .*, wh"),
            result_directory.opened(out, OVERWRITE),
        ):
            pass
    assert files(made) == before


@pytest.mark.parametrize("rates", [(), ("--lr-sweep", "0.01", "0.1")])
def test_what_is_wrong_is_found_before_anything_is_deleted(rates, made, capsys):
    before = files(made)
    argv = small("compare", "--out", str(made), "--overwrite", *rates)
    assert main([*argv, "--dataset", "digit"]) == 2
    assert main([*argv, "--shard", "3/2"]) == 2
    assert main([*argv, "--model", "simple"]) == 2
    assert main([*argv, "--init-from", str(made / "nowhere")]) == 2
    assert main([*argv, "--init-from", str(made / "runs" / RUN)]) == 2
    assert "--overwrite would delete" in capsys.readouterr().err
    assert main([*argv, "--arms", "base", "mean_scale"]) == 2
    assert files(made) == before


def test_overwrite_is_refused_while_a_sweep_is_at_work(tmp_path, monkeypatch, capsys):
    argv = small("compare", "--out", str(tmp_path), "--seeds", "0")
    meanwhile = []
    really = single.run

    def run(*args, **options):
        meanwhile.append(main([*argv, "--overwrite"]))
        really(*args, **options)

    monkeypatch.setattr(single, "run", run)
    assert main(argv) == 0
    assert meanwhile == [2, 2]
    assert "is in use by another command" in capsys.readouterr().err
    assert len(find_runs([tmp_path])) == 2


def test_overwrite_is_refused_while_runs_are_read(made):
    before = files(made)
    for root in (made, made / "runs", made / "runs" / RUN, made.parent):
        with (
            result_directory.reading([root]),
            pytest.raises(UserError, match="is in use by another command"),
            result_directory.opened(made, OVERWRITE),
        ):
            pass
    assert files(made) == before
    with open(made / result_directory.MARK) as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        with (
            pytest.raises(UserError, match="is being overwritten"),
            result_directory.reading([made / "runs"]),
        ):
            pass


def test_overwrite_is_refused_where_a_run_alone_is_locked(made):
    """By a sweep that does not know of the mark."""
    before = files(made)
    with open(made / "runs" / f".{RUN[:-1]}b.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with (
            pytest.raises(UserError, match="is in use by another command"),
            result_directory.opened(made, OVERWRITE),
        ):
            pass
    assert files(made) == before


def test_a_lock_on_a_removed_file_keeps_nobody_out(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    really, asked = fcntl.flock, []

    def flock(descriptor, how):
        if not asked:  # its holder removes it just now
            path.unlink()
        asked.append(how)
        really(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locks.locked(path) as mine:
        assert mine
        with locks.locked(path) as other:
            assert not other
    assert not path.exists()


def test_a_lock_that_is_waited_for(tmp_path):
    path, said = tmp_path / "lock", []
    holder = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)

    def free():
        said.append("waiting")
        os.close(holder)

    with locks.locked(path, free) as mine:
        assert mine
    assert said == ["waiting"]


def test_a_result_directory_that_vanishes_is_named(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"

    def vanish(path):
        if out.exists():
            shutil.rmtree(out)
        return is_run(path)

    monkeypatch.setattr(sweep, "is_run", vanish)
    assert main(small("train", "--out", str(out))) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {out / 'runs'}")
    assert error.count("\n") == 1


def test_a_path_that_is_not_utf8_is_refused_before_training(tmp_path, capsys):
    out = tmp_path / os.fsdecode(b"caf\xe9")
    assert main(small("train", "--out", str(out))) == 2
    assert "is not UTF-8, which checkpoints need" in capsys.readouterr().err
    assert not out.exists()
