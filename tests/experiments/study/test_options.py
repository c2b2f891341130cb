"""Good and bad values of every option of every study, with what is said of bad ones."""

import dataclasses
import importlib

import pytest

from experiments.commands.cli import main
from experiments.data import texts
from experiments.study import measure, pace, registry
from tests.experiments.study.examples import COMMON, VALUES
from tests.helpers import tree


def line(name, option, value):
    out = [] if option == "out" else ["--out", "new"]
    return [name, *out, f"--{option}", *([] if value is None else value.split(" "))]


OPTIONS = [
    (name, option, *values)
    for name in VALUES
    for option, values in (COMMON | VALUES[name]).items()
]
GOOD = [line(*of, value) for *of, good, _ in OPTIONS for value in good]
BAD = [
    pytest.param(line(*of, value), message, id=" ".join(line(*of, value)))
    for *of, _, bad in OPTIONS
    for value, message in bad.items()
]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A working directory with a file, where nothing is measured."""
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    def measures(*arguments):
        raise AssertionError("it is accepted")

    monkeypatch.setattr(measure, "run", measures)
    monkeypatch.setattr(pace, "time", lambda *arguments: "")
    monkeypatch.setattr(texts, "shakespeare", lambda *places: None)  # no network
    return tmp_path


@pytest.mark.parametrize("name", registry.STUDIES)
def test_every_option_is_tried(name):
    assert name in VALUES, (
        "each study needs VALUES in tests/experiments/study/examples.py"
    )
    config = importlib.import_module(registry.STUDIES[name].command).Config
    options = {field.name.replace("_", "-") for field in dataclasses.fields(config)}
    assert options == (COMMON | VALUES[name]).keys()


@pytest.mark.parametrize("argv", GOOD, ids=" ".join)
def test_a_good_line_is_taken(argv, place, capsys):
    argv = argv if "--dry-run" in argv else [*argv, "--dry-run"]
    before = tree(place)
    assert main(argv) == 0
    assert "new: " in capsys.readouterr().out
    assert tree(place) == before


@pytest.mark.parametrize(("argv", "message"), BAD)
def test_a_bad_line_is_refused_and_changes_nothing(argv, message, place, capsys):
    before = tree(place)
    try:
        status = main(argv)
    except SystemExit as end:
        status = end.code
    assert status == 2
    said = capsys.readouterr().err
    assert said.strip()
    assert message in said
    assert tree(place) == before
