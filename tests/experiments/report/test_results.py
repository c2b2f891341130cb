"""Runs kept as rows, and the committed tables against the committed rows."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from experiments.commands.cli import main
from experiments.report import groups, tables
from experiments.runs import provenance, rows
from experiments.runs.run_directory import find_runs
from tests.helpers import PAIRS, VGG, written

ROOT = Path(__file__).resolve().parents[3]
STUDIES = rows.studies(ROOT / "results")


@pytest.fixture
def study(tmp_path):
    written(tmp_path / "runs", PAIRS, **VGG)
    argv = ["collect", str(tmp_path / "runs"), "--out", str(tmp_path / "study")]
    assert main(argv) == 0
    return tmp_path / "study"


def test_rows_give_the_tables_of_the_run_directories(study, tmp_path):
    runs = find_runs([tmp_path / "runs"])
    back = {run.path.name: run for run in rows.read(study)}
    assert len(back) == len(runs) == 4
    for run in runs:
        kept = back[run.path.name]
        assert kept.config == run.config
        assert kept.result == run.result | {"steps": len(run.steps)}
        np.testing.assert_array_equal(kept.steps["step"], run.steps["step"])
        np.testing.assert_array_equal(kept.steps["epoch"], run.steps["epoch"])
        # 45 steps an epoch: windows of 20, 20 and 5.
        first = run.steps["loss"][:20].mean()
        np.testing.assert_allclose(kept.steps["loss"][:20], first, rtol=1e-5)
        assert kept.steps["c"].isna().all() == run.steps["c"].isna().all()
    ours, theirs = (
        [tables.markdown(group) for group in groups.grouped(of)]
        for of in (back.values(), runs)
    )
    assert ours == theirs


def test_collecting_again_adds_nothing_and_another_result_is_refused(
    study, tmp_path, capsys
):
    before = {path: path.read_bytes() for path in study.iterdir()}
    argv = ["collect", str(tmp_path / "runs"), "--out", str(study)]
    assert main(argv) == 0
    assert {path: path.read_bytes() for path in study.iterdir()} == before
    written(tmp_path / "other", {("lm", 0): 12.0}, digest="other", **VGG)
    assert main(["collect", str(tmp_path / "other"), "--out", str(study)]) == 2
    assert "with different results" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in study.iterdir()} == before


def test_no_path_of_the_machine_is_kept():
    for place in ("/home/me/runs", "/home/me/my runs", "/home/me/my 'runs'", "''"):
        for option in ("--out", "--cache_dir", "--tensorboard"):
            argv = ["python", "-m", "experiments", "train", option, place, "--seed"]
            kept = rows.without_places(shlex.join([*argv, "1"]))
            assert kept == "python -m experiments train --seed 1"
    for path in STUDIES:
        text = (path / "runs.csv").read_text()
        assert "--out" not in text
        assert "/home/" not in text


def test_a_run_that_is_too_old_for_a_row_is_named(tmp_path, capsys):
    written(tmp_path / "runs", {("lm", 0): 12.0}, **VGG)
    (run,) = (tmp_path / "runs").iterdir()
    result = json.loads((run / "result.json").read_text())
    for name in ("digest", "params_sha256"):
        del result[name]
    (run / "result.json").write_text(json.dumps(result))
    argv = ["collect", str(tmp_path / "runs"), "--out", str(tmp_path / "study")]
    assert main(argv) == 2
    assert "its result.json has no params_sha256" in capsys.readouterr().err


def test_a_damaged_study_is_named(study, capsys):
    file = study / "windows.csv.gz"
    file.write_bytes(file.read_bytes()[:50])
    assert main(["results", "--root", str(study)]) == 2
    assert f"{study} does not contain the rows of a study" in capsys.readouterr().err


def test_no_study_is_said(tmp_path, capsys):
    assert main(["results", "--root", str(tmp_path)]) == 2
    assert "no study (runs.csv)" in capsys.readouterr().err
    assert main(["results", "--root", str(tmp_path / "nowhere")]) == 2
    said = capsys.readouterr().err
    assert said == f"error: {tmp_path / 'nowhere'} does not exist\n"


def test_the_accelerator_of_a_run_is_named():
    machine = {"cpu": "abacus", "cores": 2, "backend": "gpu", "device": "Babbage 1"}
    meta = {"machine": machine, "versions": {"jax": "1"}, "commit": "abc"}
    words = "Babbage 1, abacus, 2 core(s), jax 1, commit abc"
    assert provenance.in_words(meta) == words
    machine |= {"backend": "cpu", "device": "cpu"}
    assert provenance.in_words(meta) == words.removeprefix("Babbage 1, ")


@pytest.mark.slow
def test_make_results_makes_every_file_again(tmp_path):
    for study in STUDIES:
        for name in ("runs.csv", "windows.csv.gz", "epochs.csv.gz"):
            (tmp_path / study.name).mkdir(exist_ok=True)
            shutil.copy(study / name, tmp_path / study.name / name)
    assert main(["results", "--root", str(tmp_path)]) == 0
    for study in STUDIES:
        made = {path.name for path in (tmp_path / study.name).iterdir()}
        kept = {path.name for path in study.iterdir()} - {"plan.md"}
        assert made >= kept  # a plan is written by hand
    assert (tmp_path / "effects.png").stat().st_size > 5_000
    assert "What landscape modification does" in (tmp_path / "report.html").read_text()
