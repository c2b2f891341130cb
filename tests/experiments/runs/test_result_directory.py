"""Result directories: whose they are, who uses them, and what --overwrite deletes."""

import fcntl
import shutil

import pytest

from experiments.commands.cli import main
from experiments.config.execution import Execution
from experiments.config.options import Protocol
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
        for name in ("config.json", "meta.json", "result.json", "weights.npz"):
            put(runs / RUN / name)
        put(runs / f".{RUN[:-1]}b.work" / "7" / "state" / "d" / "0")
        put(runs / f".{RUN[:-1]}b.live" / "steps.csv")
        put(runs / f".{RUN[:-1]}b.lock", "")
        for name in ("report.html", "report_avg_loss.csv", "c.png", "log.txt"):
            put(out / name)
        put(out / ".0a1b2c3d.part.loss.png")
    with result_directory.opened(out / "lr-sweep", Execution()) as runs:
        put(runs / RUN / "config.json")
        put(out / "lr-sweep" / "rates.csv")
    return out


def test_overwrite_deletes_runs_and_what_was_made_of_them_and_nothing_else(
    made, tmp_path
):
    kept = {
        put(made / "notes.txt"),
        put(made / "my.png"),
        put(made / "runs" / "yolo" / "weights.pt"),
        put(made / "src" / "report.html"),
        put(tmp_path / "elsewhere" / "config.json"),
    }
    (made / "runs" / RUN.replace("s0", "s1")).symlink_to(tmp_path / "elsewhere")
    with result_directory.opened(made, OVERWRITE):
        pass
    assert files(tmp_path) == {*kept, made / result_directory.MARK}


@pytest.mark.parametrize("flag", ["--overwrite", "--resume"])
def test_a_directory_without_the_mark_is_refused(flag, tmp_path, capsys):
    kept = {
        put(tmp_path / "thesis.tex"),
        put(tmp_path / "runs" / "yolo" / "result.json"),
    }
    argv = small("train", "--out", str(tmp_path), flag)
    assert main(argv) == 2
    assert "is not a result directory" in capsys.readouterr().err
    assert files(tmp_path) == kept


@pytest.mark.parametrize("rates", [(), ("--lr-sweep", "0.01", "0.1")])
def test_what_is_wrong_is_found_before_anything_is_deleted(rates, made, capsys):
    before = files(made)
    argv = small("compare", "--out", str(made), "--overwrite", *rates)
    assert main([*argv, "--dataset", "digit"]) == 2
    assert main([*argv, "--model", "simple"]) == 2
    assert main([*argv, "--init-from", str(made / "nowhere")]) == 2
    assert main([*argv, "--init-from", str(made / "runs" / RUN)]) == 2
    assert "--overwrite would delete" in capsys.readouterr().err
    assert main([*argv, "--arms", "base", "mean_scale"]) == 2
    assert files(made) == before


@pytest.mark.usefixtures("unpresented")
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


def test_a_run_directory_without_a_result_is_named_before_training(tmp_path, capsys):
    protocol = Protocol(limit_train=64, epochs=1, batch_size=32)
    config = protocol.run("digits", "simple_cnn", "sgd", "lm", 0)
    run = put(tmp_path / "runs" / config.run_id / "config.json").parent
    put(tmp_path / result_directory.MARK)
    argv = small("train", "--out", str(tmp_path))
    before = files(tmp_path)
    for more in ((), ("--dry-run",)):
        assert main([*argv, "--resume", *more]) == 2
        assert f"{run} has no result.json: move it away" in capsys.readouterr().err
    assert files(tmp_path) == before
