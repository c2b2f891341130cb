"""The command, its rows and what is made of them."""

import base64
import contextlib
import dataclasses
import json
import shutil
import threading

import pandas as pd
import pytest

from experiments.commands import stability as command
from experiments.commands.cli import main
from experiments.errors import UserError
from experiments.machine import files
from experiments.stability import document, options, program, rows, tasks
from tests.helpers import written


@pytest.fixture(scope="module", autouse=True)
def short():
    whole = dict(tasks.TASKS)
    plan = options.PLAN
    options.PLAN = (("mlp6", ("sgd",), ("base", "lm", "shuffled_scale")),)
    tasks.TASKS["mlp6"] = dataclasses.replace(tasks.TASKS["mlp6"], steps=20)
    yield
    options.PLAN = plan
    tasks.TASKS.update(whole)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("stability") / "study"
    assert main(["stability", "--seeds", "2", "--out", str(out)]) == 0
    return out


def test_the_command_writes_rows_tables_and_pictures(study):
    found = rows.read(study)
    assert len(found) == 3 * 2 * 9
    assert set(found["seed"]) == {2000, 2001}
    assert not list(study.rglob("*.part*"))
    text = (study / "tables.md").read_text(encoding="utf-8")
    assert "MLP, 6 layers, SGD" in text
    assert str(study) not in text
    assert (study / "collapse.png").stat().st_size > 5_000
    assert (study / "controls.png").exists()
    curves = rows.read(study, "curves")
    assert curves[curves["arm"] == "lm"]["scale"].notna().all()
    assert curves[curves["arm"] == "base"]["scale"].isna().all()
    assert sorted(set(curves["step"])) == [10, 20]


def test_a_study_is_resumed_case_by_case(study, tmp_path, capsys, monkeypatch):
    out = tmp_path / "study"
    argv = ["stability", "--seeds", "2", "--out", str(out)]
    assert main([*argv, "--time-budget", "1e-9"]) == 75
    assert not (out / "rows").exists()
    assert main([*argv, "--arms", "lm"]) == 0
    whole = (out / "rows" / "mlp6-sgd-lm.csv.gz").read_bytes()
    assert main(argv) == 2
    assert "add --resume" in capsys.readouterr().err
    # The replayed scales come from the LM run made anew.
    assert main([*argv, "--resume"]) == 0
    assert (out / "rows" / "mlp6-sgd-lm.csv.gz").read_bytes() == whole
    for path in (study / "rows").iterdir():
        assert (out / "rows" / path.name).read_bytes() == path.read_bytes()
    assert main([*argv, "--resume", "--seeds", "3"]) == 2
    assert "with other seeds or learning rates" in capsys.readouterr().err


def test_tables_are_made_of_rows_alone(study, tmp_path):
    text = (study / "tables.md").read_text(encoding="utf-8")
    (study / "tables.md").unlink()
    document.write(study)
    assert (study / "tables.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "mlp6-sgd-lm.csv.gz"),
        (None, "No such file"),
    ],
)
def test_damaged_rows_are_named(study, tmp_path, content, message):
    out = tmp_path / "copy"
    shutil.copytree(study, out)
    file = out / "curves" / "mlp6-sgd-lm.csv.gz"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=message):
        rows.read(out, "curves")


def test_arms_with_other_seeds_are_refused(study, tmp_path):
    case = options.Case("mlp6", "sgd", "clip")
    found = rows.read(study)
    part = found[(found["arm"] == "lm") & (found["seed"] == 2000)]
    about = rows.STUDY.known(study)["mlp6-sgd-lm"]
    for arm in ("lm", "clip"):
        own = found[found["arm"] == "lm"] if arm == "lm" else part
        rows.write_case(
            tmp_path, case._replace(arm=arm), own, pd.DataFrame(columns=["seed"]), about
        )
    with pytest.raises(UserError, match="mlp6 with sgd differ in their seeds"):
        rows.read(tmp_path)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--tasks", "mlp7"], "--tasks 'mlp7': choose from mlp6"),
        (["--arms", "momentum"], "--arms 'momentum': choose from base"),
        (["--optimizers", "adamw"], "--optimizers 'adamw': choose from sgd"),
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--time-budget", "0"], "--time-budget must be greater than 0"),
        (["--optimizers", "adagrad", "--arms", "momo"], "no case of the plan"),
    ],
)
def test_bad_options_are_named(tmp_path, capsys, argv, message):
    assert main(["stability", "--out", str(tmp_path / "x"), *argv]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_data_that_are_missing_are_named_before_the_first_case(
    tmp_path, capsys, monkeypatch
):
    plan = tuple((task, ("sgd",), ("base",)) for task in ("mlp6", "cifar10"))
    monkeypatch.setattr(options, "PLAN", plan)
    monkeypatch.setattr(program, "run", None)  # no case may start
    argv = ["stability", "--tasks", "mlp6", "cifar10", "--seeds", "1"]
    argv += ["--cache-dir", str(tmp_path), "--data-dir", str(tmp_path / "nowhere")]
    assert main([*argv, "--out", str(tmp_path / "x")]) == 2
    assert f"--data-dir {tmp_path / 'nowhere'} is not" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_quick_is_a_small_part():
    quick = command.Config(quick=True)
    case = quick.cases()[0]
    assert len(quick.cases()) == 8
    assert len(quick.seed_numbers()) == 8
    assert len(quick.rates(case)) == 5


def test_a_report_shows_the_studies_below_its_directories(tmp_path, study):
    written(tmp_path / "runs", {("base", 0): 90.0, ("lm", 0): 91.0})
    shutil.copytree(study, tmp_path / "runs" / "stability")
    out = tmp_path / "report"
    assert main(["report", str(tmp_path / "runs"), "--out", str(out)]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.index("Which learning rates train") < page.index("<tbody>")
    title = "Which learning rates train, with 2 paired seeds"
    assert f"<h2>{title}</h2>" in page
    picture = base64.b64encode((study / "collapse.png").read_bytes()).decode()
    assert picture in page


def test_sections_of_several_studies_have_titles_of_their_own(tmp_path, study):
    runs = rows.read(study)
    named = {study: runs, study.with_name("<other>"): runs}
    titles = [section.split("</h2>")[0] for section in document.sections(named)]
    assert titles[0].endswith("with 2 paired seeds (study)")
    assert titles[1].endswith("with 2 paired seeds (&lt;other&gt;)")
    twins = {tmp_path / "a" / "study": runs, tmp_path / "b" / "study": runs}
    first, second = document.sections(twins)
    assert first.split("</h2>")[0] != second.split("</h2>")[0]


def test_results_of_this_study_alone(tmp_path, study):
    shutil.copytree(study, tmp_path / "study")
    (tmp_path / "study" / "tables.md").unlink()
    assert main(["results", "--root", str(tmp_path)]) == 0
    assert (tmp_path / "study" / "tables.md").exists()


def test_results_reads_the_rows_of_a_study_once(tmp_path, study, monkeypatch):
    for name in ("first", "second"):
        shutil.copytree(study, tmp_path / name)
    read, folders = rows.read, []

    def counted(out, folder="rows"):
        folders.append(folder)
        return read(out, folder)

    monkeypatch.setattr(rows, "read", counted)
    main(["results", "--root", str(tmp_path)])
    assert folders == ["rows", "curves"] * 2


@pytest.mark.parametrize("written", [0, 1])
def test_a_kill_while_a_case_is_written_leaves_it_unfinished(
    study, tmp_path, monkeypatch, written
):
    out = shutil.copytree(study, tmp_path / "copy")
    case = options.Case("mlp6", "sgd", "clip")
    runs, curves = (
        pd.read_csv(study / folder / "mlp6-sgd-lm.csv.gz")
        for folder in ("rows", "curves")
    )
    about = rows.STUDY.known(study)["mlp6-sgd-lm"]
    write, calls = files.write_frame, []

    def killed(*arguments, **options):
        calls.append(arguments)
        if len(calls) > written:
            raise KeyboardInterrupt
        write(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_frame", killed)
        with pytest.raises(KeyboardInterrupt):
            rows.write_case(out, case, runs, curves, about)
    assert rows.missing(out, [case]) == [case]
    pd.testing.assert_frame_equal(rows.read(out), rows.read(study))
    rows.write_case(out, case, runs, curves, about)
    assert rows.missing(out, [case]) == []
    assert set(rows.read(out)["arm"]) == set(rows.read(study)["arm"]) | {"clip"}


def test_two_commands_that_finish_a_case_at_once_both_keep_it(
    study, tmp_path, monkeypatch
):
    runs, curves = (
        pd.read_csv(study / folder / "mlp6-sgd-lm.csv.gz")
        for folder in ("rows", "curves")
    )
    about = rows.STUDY.known(study)["mlp6-sgd-lm"]
    cases = [options.Case("mlp6", "sgd", arm) for arm in ("lm", "clip")]
    known, read = type(rows.STUDY).known, threading.Barrier(2)

    def both_read(self, out):
        found = known(self, out)
        with contextlib.suppress(threading.BrokenBarrierError):
            read.wait(0.2)  # one waits for the lock instead
        return found

    with monkeypatch.context() as patch:
        patch.setattr(type(rows.STUDY), "known", both_read)
        threads = [
            threading.Thread(
                target=rows.write_case, args=(tmp_path, case, runs, curves, about)
            )
            for case in cases
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(rows.read(tmp_path)["arm"]) == {"lm", "clip"}


def test_a_case_that_the_index_lacks_is_run_again(study, tmp_path):
    out = shutil.copytree(study, tmp_path / "copy")
    known = rows.STUDY.known(out)
    del known["mlp6-sgd-lm"]
    (out / "cases.json").write_text(json.dumps(known))
    assert "lm" not in set(rows.read(out)["arm"])
    argv = ["stability", "--seeds", "2", "--resume", "--arms", "lm", "--out", str(out)]
    assert main(argv) == 0
    assert "lm" in set(rows.read(out)["arm"])
