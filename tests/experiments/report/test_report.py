"""The page, the figures and the choice of rates, made from run directories alone."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from experiments.commands import figure
from experiments.commands.cli import main
from experiments.report import groups
from experiments.runs import lr_sweep
from experiments.runs.run_directory import find_runs
from tests.helpers import PAIRS, VGG, small, written


def test_a_page_is_one_file_with_the_thesis_beside_ours(tmp_path, capsys):
    written(tmp_path / "runs", PAIRS, **VGG)
    written(tmp_path / "runs", PAIRS, optimizer="adam", **VGG)
    out = tmp_path / "out"
    assert main(["report", str(tmp_path / "runs"), "--out", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "vgg16 on cifar10" in page
    assert "48.66" in page  # the thesis's Adam, which contradicts itself
    assert "that of guessing" in page
    assert "1/2" in page  # collapsed
    assert "n = 2 is too small to tell" in page
    # Nothing is fetched: pictures are within, links lead to run directories.
    assert not re.search(r'(src|href)="(?!data:)[a-z]+:', page)
    assert "<script" not in page
    for link in re.findall(r'href="([^"]+)"', page):
        assert (out / link / "result.json").exists()
    assert page.count("data:image/svg+xml") == 5  # effects, loss, accuracy, c, scale
    assert "| SGD-LM |" in (out / "report.md").read_text()


def test_runs_of_different_scale_do_not_share_a_table(tmp_path):
    written(tmp_path, PAIRS, **VGG)
    written(tmp_path, PAIRS, limit_train=1000, **VGG)
    tables = groups.grouped(find_runs([tmp_path]))
    assert [len(group) for group in tables] == [4, 4]
    assert len({run.config.limit_train for group in tables for run in group}) == 2


def test_a_run_and_its_copies_count_once(tmp_path, capsys):
    written(tmp_path / "runs", PAIRS, digest="0" * 64, **VGG)
    alone = find_runs([tmp_path / "runs"])
    shutil.copytree(tmp_path / "runs", tmp_path / "backup")
    again = find_runs([tmp_path / "runs", tmp_path / "backup", tmp_path])
    assert len(again) == len(alone) == 4
    # The same run again, a little slower, is the same.
    (path,) = (tmp_path / "backup").glob("*base-s0*")
    result = json.loads((path / "result.json").read_text())
    result.pop("digest", None)
    (path / "result.json").write_text(json.dumps(result | {"seconds": 9.0}))
    assert len(find_runs([tmp_path])) == 4
    # One with another result is not.
    (path / "result.json").write_text(json.dumps(result | {"params_sha256": "1" * 64}))
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"{path} and {tmp_path / 'runs' / path.name} are runs of one" in said
    assert not (tmp_path / "out").exists()


def test_trials_of_learning_rates_are_no_results(tmp_path):
    written(tmp_path / "runs", PAIRS, **VGG)
    trials = tmp_path / lr_sweep.TRIALS
    written(trials / "runs", PAIRS, learning_rate=0.5, validation=100, **VGG)
    assert {run.config.validation for run in find_runs([tmp_path])} == {None}
    assert {run.config.validation for run in find_runs([trials])} == {100}


def test_a_figure_of_runs_of_different_length_is_refused(tmp_path, capsys):
    written(tmp_path, PAIRS, **VGG)
    written(tmp_path, PAIRS, limit_train=1000, **VGG)
    written(tmp_path, PAIRS, dataset="cifar10", model="preresnet110")
    argv = ["figure", "3.7", "--runs", str(tmp_path), "--out", str(tmp_path / "x.png")]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert "the runs of vgg16 with sgd differ in limit_train" in said


SHOW = """
import sys
from pathlib import Path
from experiments import text
from experiments.commands import cli, present
from experiments.runs import run_directory
from tests.helpers import PAIRS, VGG, written
text.replace_what_cannot_be_shown()
present.present(run_directory.find_runs([Path(sys.argv[1])]), Path(sys.argv[2]))
cli.main(["report", "--help"])
"""


@pytest.mark.slow
def test_what_is_finished_is_shown_anywhere(tmp_path):
    """Without such a backend of Matplotlib, in the C locale."""
    environment = {
        "MPLBACKEND": "nonsense", "LC_ALL": "C", "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }  # fmt: skip
    written(tmp_path / "runs", PAIRS, **VGG)
    out = tmp_path / "out"
    out.mkdir()
    argv = [sys.executable, "-c", SHOW, str(tmp_path / "runs"), str(out)]
    shown = subprocess.run(argv, env=os.environ | environment, capture_output=True)
    assert shown.returncode == 0, shown.stderr.decode()
    assert b"SGD-LM" in shown.stdout
    assert b"--title" in shown.stdout
    assert not [byte for byte in shown.stdout if byte > 127]
    assert "ε" in (out / "report.md").read_text("utf-8")
    assert {path.name for path in out.glob("*.png")} == {
        "loss.png", "test_accuracy.png", "c.png", "scale.png",
    }  # fmt: skip


def test_nothing_to_report_is_said(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "no finished run" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_figure_is_drawn_from_runs(tmp_path, capsys):
    picture = tmp_path / "figure.png"
    for number, panels in figure.FIGURES.items():
        argv = ["figure", number, "--runs", str(tmp_path), "--out", str(picture)]
        assert main(argv) == 2
        assert f"run `table {panels[0].table}" in capsys.readouterr().err
    written(tmp_path, PAIRS, dataset="cifar100", model="vgg16", optimizer="sgd")
    assert main(argv) == 0
    assert picture.stat().st_size > 5_000


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_learning_rate_is_chosen_for_each_arm_on_held_out_images(tmp_path, capsys):
    out = tmp_path / "out"
    argv = small("compare", "--seeds", "0", "--lr-sweep", "0.001", "0.1")
    assert main([*argv, "--arms", "base", "lm", "mean_scale", "--out", str(out)]) == 0
    rates = pd.read_csv(out / "lr-sweep" / "rates.csv")
    assert sorted(rates["arm"]) == ["base", "base", "lm", "lm"]
    assert rates.groupby("arm")["chosen"].sum().ge(1).all()
    trials = find_runs([out / "lr-sweep"])
    assert {run.config.validation for run in trials} == {6}  # a tenth of 64
    chosen = rates[rates["chosen"]].drop_duplicates("arm").set_index("arm")
    finals = {run.config.arm: run.config for run in find_runs([out / "runs"])}
    assert finals["mean_scale"].learning_rate == finals["lm"].learning_rate
    for arm in ("base", "lm"):
        assert finals[arm].learning_rate == chosen.loc[arm, "learning_rate"]
        assert finals[arm].validation is None


@pytest.mark.usefixtures("unpresented")
def test_a_run_starts_from_another_s_weights(tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    argv = small("train", "--keep-weights", "--out", str(first))
    assert main(argv) == 0
    (source,) = (first / "runs").iterdir()
    argv = small("train", "--init-from", str(source), "--out", str(second))
    assert main(argv) == 0
    (run,) = find_runs([second])
    (fresh,) = find_runs([first])
    assert run.config.init_from == fresh.result["params_sha256"]
    assert run.path.name != fresh.path.name
    assert run.steps["loss"][0] != fresh.steps["loss"][0]
    argv = small("train", "--init-from", str(run.path), "--out", str(tmp_path / "x"))
    assert main(argv) == 2
    assert "with --keep-weights" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("unpresented")
def test_tested_in_training_mode_batch_norm_takes_the_batch_s_statistics(tmp_path):
    argv = small("train", "--model", "preresnet11", "--seed", "3")
    argv += ["--limit-train", "16", "--batch-size", "16"]
    results = {}
    for mode in ("eval", "train"):
        out = tmp_path / mode
        assert main([*argv, "--eval-mode", mode, "--out", str(out)]) == 0
        (run,) = find_runs([out])
        results[mode] = run
    assert (
        results["eval"].result["params_sha256"]
        == (results["train"].result["params_sha256"])
    )
    assert (
        results["eval"].epochs["test_loss"] != results["train"].epochs["test_loss"]
    ).all()
