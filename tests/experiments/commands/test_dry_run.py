"""--dry-run: what would be run, what is finished, how long; nothing is written."""

import dataclasses
import re

import pytest

from experiments.annealing import options
from experiments.commands.cli import main
from experiments.machine import setup, stopping
from experiments.machine.progress import Progress
from experiments.runs import committed, result_directory, single, sweep
from experiments.runs.run_directory import find_runs
from experiments.study import measure, registry, start
from tests.helpers import CONFIG, PAIRS, VGG, tree, written

GIVEN = ["--seeds", "0", "10", "20", "--epochs", "2"]  # PAIRS has seeds 0 and 10
COMPARE = ["compare", "--optimizer", "sgd", *GIVEN, "--batch-size", "128"]


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch, tmp_path):
    def fails(*args, **options):
        raise AssertionError("a dry run does this")

    monkeypatch.setattr(single, "run", fails)
    monkeypatch.setattr(sweep, "run_all", fails)
    monkeypatch.setattr(setup, "keep_compiled", fails)
    monkeypatch.chdir(tmp_path)


def dry(argv, capsys, tmp_path):
    before = tree(tmp_path)
    status = main([*argv, "--dry-run"])
    assert tree(tmp_path) == before
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def finished_runs(tmp_path):
    """The result directory `out` with four of the six runs."""
    written(tmp_path / "out" / "runs", PAIRS, momentum=0.9)
    (tmp_path / "out" / result_directory.MARK).touch()
    return find_runs([tmp_path / "out"])


def test_an_empty_directory(tmp_path, capsys):
    status, shown, _ = dry([*COMPARE, "--out", "new"], capsys, tmp_path)
    assert status == 0
    assert "new: 6 runs" in shown
    assert "simple_cnn on digits, sgd base: 3 of 24 steps\n" in shown
    # 1,437 images in batches of 128 are 12 steps an epoch.
    assert "to run: 6 runs, 144 steps; about 2 s of steps on two cores" in shown


def test_what_is_finished_sets_the_pace(tmp_path, capsys):
    finished_runs(tmp_path)
    argv = [*COMPARE, "--out", "out", "--resume"]
    status, shown, _ = dry(argv, capsys, tmp_path)
    assert status == 0
    assert "sgd base: 3 of 24 steps, 2 finished" in shown
    # The last of their epochs took a second for 45 steps; 2 runs of 24 are left.
    assert "to run: 2 runs, 48 steps; about 1 s, at the pace of the finished" in shown


def test_a_checkpoint_is_counted(tmp_path, capsys):
    run, *_ = finished_runs(tmp_path)
    run.path.rename(tmp_path / "finished before")
    work = run.path.with_name(f".{run.path.name}.work")
    work.mkdir()
    for name in ("7.npz", "9.npz", ".0a.part.12.npz"):
        (work / name).touch()
    argv = [*COMPARE, "--out", "out", "--resume"]
    _, shown, _ = dry(argv, capsys, tmp_path)
    assert "sgd base: 3 of 24 steps, 1 finished, 1 begun" in shown
    assert f"to run: 3 runs, {24 + 24 + 24 - 9} steps" in shown


def test_what_the_command_would_refuse_is_refused(tmp_path, capsys):
    finished_runs(tmp_path)
    status, shown, error = dry([*COMPARE, "--out", "out"], capsys, tmp_path)
    assert status == 2
    assert "2 finished" in shown
    assert "out already has results: --resume continues there" in error
    status, _, error = dry([*COMPARE, "--arms", "mean_scale"], capsys, tmp_path)
    assert status == 2
    assert "add lm to --arms" in error


def test_overwrite_starts_again(tmp_path, capsys):
    finished_runs(tmp_path)
    argv = [*COMPARE, "--out", "out", "--overwrite"]
    status, shown, _ = dry(argv, capsys, tmp_path)
    assert status == 0
    assert "finished" not in shown
    assert "to run: 6 runs, 144 steps" in shown


def test_a_damaged_run_is_named_and_not_counted(tmp_path, capsys):
    path = finished_runs(tmp_path)[0].path
    (path / "epochs.csv").write_text("")
    argv = [*COMPARE, "--out", "out", "--resume"]
    _, shown, error = dry(argv, capsys, tmp_path)
    assert "1 finished, 1 damaged" in shown
    assert str(path.relative_to(tmp_path)) in error


def test_trials_of_learning_rates(tmp_path, capsys):
    _, shown, _ = dry([*COMPARE, "--lr-sweep", "0.1", "0.2"], capsys, tmp_path)
    assert "lr-sweep: 12 runs" in shown
    assert "then 6 runs, 144 steps, at the best of 2 learning rates" in shown


def test_a_table_and_one_run(tmp_path, capsys):
    _, shown, _ = dry(["table", "3.8", "--seeds", "0"], capsys, tmp_path)
    assert "runs/table-3.8: 8 runs" in shown
    assert "vgg16 on cifar10, adam lm: 1 of 78,200 steps" in shown
    assert re.search(r"about [\d.]+ (h|days) of steps on two cores of an AMD", shown)
    _, shown, _ = dry(["table", "all", "--seeds", "0"], capsys, tmp_path)
    assert "preresnet110 on cifar100, sgd base: 1 of 87,975 steps" in shown
    _, shown, _ = dry(["train", "--until-above-chance"], capsys, tmp_path)
    assert "at most 360 steps" in shown
    assert "not known until one run is finished" in shown  # batches of 32


def test_a_committed_pace_is_of_what_was_measured(monkeypatch, tmp_path):
    config = dataclasses.replace(CONFIG, **VGG)
    seconds = committed.seconds({config: 1000})
    assert seconds == pytest.approx(348.4, abs=1)
    for change in ({"precision": "bfloat16"}, {"batch_size": 64}, {"model": "vgg19"}):
        other = dataclasses.replace(config, **change)
        assert committed.seconds({config: 1, other: 1}) is None
    monkeypatch.setattr(committed, "FILE", tmp_path / "nowhere")
    assert committed.seconds({config: 1000}) is None


@pytest.mark.parametrize("command", ["stability --tasks rnn", "spins", "anneal"])
def test_without_rows_the_time_of_a_study_is_unknown(
    command, tmp_path, capsys, monkeypatch
):
    study = registry.study(command.split()[0])
    nowhere = dataclasses.replace(study, committed=tmp_path / "nothing")
    monkeypatch.setattr(registry, "study", lambda name: nowhere)
    status, shown, _ = dry(command.split(), capsys, tmp_path)
    assert status == 0
    assert "the time is not known until some of it is finished" in shown


def test_a_study_s_pieces_are_counted(tmp_path, capsys):
    # 713 seconds in results/annealing/about.json.
    _, shown, _ = dry(["anneal", "--chains", "400"], capsys, tmp_path)
    assert "about 48 min, at the pace of" in shown
    study, out = registry.study("anneal"), tmp_path / "annealing"
    config = options.Config(out=out)
    with start.working(study, config) as id_:
        (part,) = study.parts(config)
        pieces = measure.Pieces(out, id_, part, stopping.Stop(), Progress(shown=False))
        for number in range(9):
            pieces.kept(f"piece-{number}", dict)
    status, shown, _ = dry(["anneal", "--resume"], capsys, tmp_path)
    assert status == 0
    assert "begun: annealing, 9 of 1788 pieces" in shown
