"""Good and bad values of every option of every study, with what is said of bad ones."""

import dataclasses
import importlib

import pytest

from experiments.commands.cli import main
from experiments.data import texts
from experiments.study import measure, pace, registry

NO_NUMBER = {"x": "", "nan": "", "": ""}
COUNT = {"0": "must be at least 1", "-1": "must be at least 1", "1.5": "", **NO_NUMBER}
ABOVE_0 = {"0": "must be greater than 0", "-1": "must be greater than 0", **NO_NUMBER}
SEVERAL = ABOVE_0 | {None: "", "1 1": "1"}
FLAG = ([None], {"yes": ""})
# Option: values that are taken, and values that are not. A value may be several words.
COMMON = {
    "out": (["new", "~/new"], {"file": "cannot write a ", "": ""}),
    "resume": ([None], {"yes": "", "--overwrite": "exclude each other"}),
    **dict.fromkeys(("overwrite", "dry-run"), FLAG),
    "time-budget": (["0.5"], ABOVE_0),
    "cache-dir": (["."], {"": ""}),
}
VALUES = {
    "stability": {
        "tasks": (
            ["mlp6 rnn"],
            {
                "mlp7": "--tasks 'mlp7': choose from mlp6",
                "rnn --quick": "--tasks rnn is not part of --quick",
            },
        ),
        "optimizers": (["adagrad"], {"adamw": "--optimizers 'adamw': choose from sgd"}),
        "arms": (
            ["lm_sqrt"],
            {
                "momentum": "--arms 'momentum': choose from base",
                "momo --optimizers adagrad": "--arms momo is for sgd, adam only",
                "polyak --optimizers adam": "--arms polyak is for sgd only",
            },
        ),
        "seeds": (["1", "5 --quick"], COUNT),
        "quick": FLAG,
        "data-dir": (["."], {"": ""}),
    },
    "batches": {
        "networks": (["mlp rnn"], {"mpl": "--networks 'mpl': choose from mlp"}),
        "optimizers": (
            ["sgd"],
            {
                "adagrad": "--optimizers 'adagrad': choose from sgd, adam",
                "sgd --networks transformer": "none of the plan's cases",
            },
        ),
        "scenarios": (["none shift"], {"some": "--scenarios 'some': choose from"}),
        "seeds": (["1", "5 --quick"], COUNT),
        "quick": FLAG,
    },
    "spins": {
        "parts": (["search"], {"tuneling": "--parts 'tuneling': choose from tunnel"}),
        "quick": FLAG,
    },
    "language": {
        "models": (["lstm"], {"gru": "--models 'gru': choose from transformer, lstm"}),
        "optimizers": (
            ["adabelief"],
            {
                "sgd": "--optimizers 'sgd': choose from adamw, adabelief",
                "adabelief --models transformer": "no case of the plan",
            },
        ),
        "arms": (
            ["lm_c0 warmup"],
            {
                "momo": "--arms 'momo': choose from base",
                "warmup --quick": "--arms 'warmup': choose from base, lm,",
            },
        ),
        "seeds": (["1", "5 --quick"], COUNT),
        "quick": FLAG,
        "data-dir": (["."], {"": ""}),
    },
    "anneal": {
        "objectives": (["levy ackley"], {"rastrign": "unknown objective 'rastrign'"}),
        "dimensions": (["3 10"], SEVERAL | {"1.5": ""}),
        "steps": (["100"], {"70": "must be a multiple of --records 50", **COUNT}),
        "records": (["20"], {"3": "must be a multiple of --records 3", **COUNT}),
        **dict.fromkeys(("barriers", "temperatures"), (["0.1 2"], SEVERAL)),
        **dict.fromkeys(("chains", "settings", "tunings"), (["3"], COUNT)),
        "escape-steps": (["3"], COUNT),
    },
}


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


def tree(root):
    return {path: path.is_file() and path.read_bytes() for path in root.rglob("*")}


@pytest.mark.parametrize("name", registry.STUDIES)
def test_every_option_is_tried(name):
    assert name in VALUES, "each study's options need good and bad values here"
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
