"""The contract of studies: every registered one, and the documentation's example."""

import os
import re
import shutil
import signal

import pytest

from experiments.commands.cli import main
from experiments.report import style
from experiments.study import measure, registry, store
from tests.experiments.study.examples import EXAMPLES
from tests.helpers import tree


@pytest.fixture(scope="module", params=list(EXAMPLES))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def whole(name, tmp_path_factory):
    """A study that was not interrupted."""
    out = tmp_path_factory.mktemp(name) / "study"
    assert command(name, out) == 0
    return out


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """Only `whole` has pictures."""
    monkeypatch.setattr(style.Drawing, "of", lambda *arguments: ())


def command(name, out, *more):
    return main([name, *EXAMPLES[name].argv, *more, "--out", str(out)])


def rows(name, out):
    study = registry.study(name)
    files = [
        table.file
        for part in store.index(study, out).parts
        for table in study.tables(part).values()
    ]
    return {file: (out / file).read_bytes() for file in files}


def test_every_study_has_an_example():
    assert set(registry.STUDIES) == set(EXAMPLES), (
        "each study needs an Example in tests/experiments/study/examples.py"
    )


def test_a_study_writes_rows_tables_pictures_and_a_log(name, whole):
    study = registry.study(name)
    assert store.read(study, whole)
    drawn = {path.name for path in whole.glob("*.png")}
    assert drawn & study.captions.keys()
    assert str(whole.name) in (whole / "log.txt").read_text(encoding="utf-8")
    assert not list(whole.glob(".*"))
    assert not (whole / store.PIECES).exists()


def test_tables_are_made_of_rows_alone(name, whole, tmp_path):
    copy = shutil.copytree(whole, tmp_path / "copy")
    words = (copy / "tables.md").read_text(encoding="utf-8")
    assert str(whole) not in words
    (copy / "tables.md").unlink()
    assert main(["results", "--root", str(copy)]) == 0
    assert (copy / "tables.md").read_text(encoding="utf-8") == words


def test_list_and_report_show_a_study(name, whole, tmp_path, capsys):
    assert main(["list", str(whole)]) == 0
    shown = capsys.readouterr().out.splitlines()
    finished = len(store.index(registry.study(name), whole).parts)
    assert shown[0].startswith(f"{whole}: {registry.study(name).name}, {finished} ")
    assert sum(line.startswith("  finished  ") for line in shown) == finished
    out = tmp_path / "report"
    assert main(["report", str(whole), "--out", str(out)]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<h2>" in page
    assert "data:image/png" in page
    markdown = (out / "report.md").read_text(encoding="utf-8")
    link = re.search(r"Tables and comparisons: \[study/tables.md\]\((.*)\)", markdown)
    for path in [link[1], *re.findall(r"!\[.*\]\((.*)\)", markdown)]:
        assert (out / path).is_file()


def never(*arguments):
    raise AssertionError("something is measured")


def test_a_finished_study_is_resumed_with_its_options_alone(
    name, whole, capsys, monkeypatch
):
    """The dry run says so, too, and nothing is written."""
    before = tree(whole)
    assert command(name, whole, "--resume", "--dry-run") == 0
    assert "nothing is left to measure" in capsys.readouterr().out
    assert command(name, whole, "--overwrite", "--dry-run") == 0
    assert re.search(r"to measure: .*; about \d+ s", capsys.readouterr().out)
    monkeypatch.setattr(measure, "run", never)
    option, *_ = other = EXAMPLES[name].other
    for dry in ((), ("--dry-run",)):
        assert command(name, whole, "--resume", *other, *dry) == 2
        said = capsys.readouterr().err
        assert f"{option.replace('--no-', '--')} was " in said
    assert tree(whole) == before


def test_an_interrupted_study_resumes_with_equal_rows(
    name, whole, tmp_path, monkeypatch, capsys
):
    """Interrupted after its first, its third and its fifth piece or part."""
    out, keeps = tmp_path / "x", []

    def interrupting(write):
        def wrapped(*arguments, **options):
            write(*arguments, **options)
            keeps.append(arguments)
            if len(keeps) in (1, 3, 5):
                os.kill(os.getpid(), signal.SIGTERM)

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", interrupting(store.write))
        patch.setattr(
            measure.np, "savez_compressed", interrupting(measure.np.savez_compressed)
        )
        status, runs = command(name, out), 1
        while status == 128 + signal.SIGTERM:
            assert "finishing what is being measured" in capsys.readouterr().err
            assert command(name, out, *EXAMPLES[name].other, "--resume") == 2
            status, runs = command(name, out, "--resume"), runs + 1
    assert status == 0
    assert runs >= 2
    assert rows(name, out) == rows(name, whole)
    assert not (out / store.PIECES).exists()


REFUSED = {
    "stability --tasks mlp7": "--tasks 'mlp7': choose from mlp6",
    "stability --tasks rnn mlp12 --quick": "--tasks rnn: the plan has no such case",
    "stability --optimizers adamw": "--optimizers 'adamw': choose from sgd",
    "stability --arms momentum": "--arms 'momentum': choose from base",
    "stability --arms momo --optimizers adagrad": "the plan has no such case",
    "stability --seeds 0": "--seeds must be at least 1, got 0",
    "batches --networks mpl": "--networks 'mpl': choose from mlp",
    "batches --optimizers sgd --networks transformer": "the plan has no such case",
    "batches --seeds -1": "--seeds must be at least 1",
    "spins --parts tuneling": "--parts 'tuneling': choose from tunnel",
    "language --models gru": "--models 'gru': choose from transformer, lstm",
    "language --optimizers adabelief --models transformer": "no such case",
    "language --arms warmup --quick": "--arms 'warmup': choose from base",
    "language --seeds 0": "--seeds must be at least 1",
    "anneal --objectives rastrign": "--objectives 'rastrign': choose from ackley",
    "anneal --steps 70": "must be a multiple of --records 50",
    "anneal --tunings 0": "--tunings needs values; numbers greater than 0",
    "anneal --barriers 1 0": "--barriers needs values; numbers greater than 0",
    "walks --resume --overwrite": "exclude each other",
    "walks --time-budget 0": "--time-budget must be greater than 0",
}


@pytest.mark.parametrize("line", REFUSED)
def test_impossible_options_are_refused_and_nothing_is_written(
    line, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measure, "run", never)
    try:
        status = main([*line.split(), "--out", "new"])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert REFUSED[line] in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
