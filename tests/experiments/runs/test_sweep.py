"""Runs and sweeps: interrupted and resumed, locked; and the whole path."""

import dataclasses
import fcntl
import signal

import jax
import pandas as pd
import pytest

from experiments.commands import present
from experiments.commands.cli import main
from experiments.config.execution import Execution
from experiments.machine.stopping import BUDGET_SPENT, Stop, Stopped
from experiments.runs import checkpoints, single, sweep
from experiments.runs.result_directory import MARK
from experiments.runs.run_directory import read_run
from experiments.train.problem import make_problem
from experiments.train.trainer import Trainer
from tests.helpers import (
    SHORT,
    SHORT_EPOCH,
    Quiet,
    compare,
    few_images,
    small,
    train_short,
)


class StopAt(Stop):
    """Stops when it has been asked n times."""

    def __init__(self, n):
        super().__init__()
        self._left = n

    def __call__(self):
        self._left -= 1
        return self._left < 0


@pytest.mark.parametrize("asked", [1, 7, 17])
def test_a_stopped_run_equals_an_uninterrupted_one(asked, trainer, whole, tmp_path):
    path = tmp_path / "run"
    with pytest.raises(Stopped):
        train_short(trainer, path, StopAt(asked))
    assert not path.exists()
    train_short(trainer, path)
    compare([read_run(whole)], [read_run(path)])
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("asked", [False, True])
def test_an_error_of_jax_after_a_signal_is_the_stop(asked, tmp_path, monkeypatch):
    """As when SIGTERM has also ended ptxas, a child of a process that compiles."""
    failed = jax.errors.JaxRuntimeError("INTERNAL: ptxas exited with code 15")

    def run(*args, **options):
        if asked:
            signal.raise_signal(signal.SIGTERM)
        raise failed

    monkeypatch.setattr(single, "run", run)
    with pytest.raises(Stopped if asked else jax.errors.JaxRuntimeError) as raised:
        sweep.run_all([SHORT], tmp_path, Execution())
    assert (raised.value.__cause__ is failed) == asked


def test_a_stopped_run_of_scanned_epochs_equals_an_uninterrupted_one(tmp_path):
    """As on accelerators: stopped between two epochs, which are one dispatch each."""
    problem = make_problem(SHORT, SHORT_EPOCH)
    scanned = Trainer(problem, few_images(50), 8, scan=True)
    paths = [tmp_path / name / "run" for name in ("whole", "0", "1")]
    train_short(scanned, paths[0])
    for asked, path in enumerate(paths[1:]):
        with pytest.raises(Stopped):
            train_short(scanned, path, StopAt(asked))
        train_short(scanned, path)
        compare([read_run(paths[0])], [read_run(path)])


@pytest.mark.parametrize("sound", [1, 0])
def test_damaged_checkpoints_are_skipped_and_named(sound, trainer, whole, tmp_path):
    path, work = tmp_path / "run", tmp_path / ".run.work"
    with pytest.raises(Stopped):
        train_short(trainer, path, StopAt(2 * SHORT_EPOCH + 5))
    files = sorted(work.iterdir(), key=lambda file: int(file.stem))
    assert len(files) == checkpoints.KEPT
    for file in files[sound:]:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    shown = Quiet()
    train_short(trainer, path, progress=shown)
    for file in files[sound:]:
        assert any(f"{file} is damaged and was" in line for line in shown.lines)
    resumes = f"resumes from step {files[0].stem}"
    assert any(resumes in line for line in shown.lines) == sound
    compare([read_run(whole)], [read_run(path)])


def test_compare_from_config_to_table(tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    argv = small("compare", "--seeds", "0", "--out", str(out))
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "Did LM overperform?" in shown
    title = "simple_cnn on digits, 1 epoch, batches of 32, seeds 0, 64 training images"
    assert title in " ".join(shown.split())
    names = {path.name for path in out.iterdir()}
    assert names == {
        ".landmod-results", "log.txt", "runs", "report.html", "report.md", "report.csv",
        "report_loss.csv", "report_avg_loss.csv", "report_c.csv", "report_accuracy.csv",
        "loss.png", "test_accuracy.png", "c.png", "scale.png",
    }  # fmt: skip
    runs = list((out / "runs").iterdir())
    assert len(runs) == 2
    run = read_run(runs[0])
    assert {"started", "command", "commit", "versions", "machine"} <= set(run.meta)
    assert "jax" in run.meta["versions"]
    losses = pd.read_csv(out / "report_loss.csv", index_col=0)
    assert losses.shape == (2, 2)
    report = pd.read_csv(out / "report.csv")
    assert len(report) == 2
    table = (out / "report.md").read_text()
    assert table.count("| SGD") == 2
    for picture in out.glob("*.png"):
        assert picture.read_bytes()[:4] == b"\x89PNG"
    # Again: refused; resumed: nothing is run twice; overwritten: run again.
    monkeypatch.setattr(present, "present", lambda *arguments: None)
    stamps = {path: path.stat().st_mtime_ns for path in runs}
    assert main(argv) == 2
    assert "--resume continues there" in capsys.readouterr().err
    assert main([*argv, "--resume"]) == 0
    assert {path: path.stat().st_mtime_ns for path in runs} == stamps
    assert main([*argv, "--overwrite"]) == 0
    assert {path: path.stat().st_mtime_ns for path in runs} != stamps


@pytest.mark.usefixtures("unpresented")
def test_a_time_budget_stops_with_its_status_and_resumes(tmp_path, capsys):
    argv = small("train", "--out", str(tmp_path / "out"))
    assert main([*argv, "--time-budget", "0"]) == BUDGET_SPENT
    assert "--resume continues from here" in capsys.readouterr().err
    assert not list((tmp_path / "out" / "runs").iterdir())
    assert main([*argv, "--resume"]) == 0


def test_a_run_that_another_process_holds_is_left_to_it(tmp_path, capsys):
    config = dataclasses.replace(SHORT, epochs=1)
    runs = tmp_path / "runs"
    runs.mkdir()
    (tmp_path / MARK).touch()
    with open(runs / f".{config.run_id}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sweep.run_all([config], tmp_path, Execution(resume=True)) == []
    assert "is being run by another process" in capsys.readouterr().out
    assert len(sweep.run_all([config], tmp_path, Execution(resume=True))) == 1
