"""Every command, with good and bad values of every option.

A bad one ends with status 2 and no traceback before anything is trained, made or
deleted; a good one reaches the sweep with what it says.
"""

import contextlib
import dataclasses
import importlib

import pytest

from experiments.commands import cli, present
from experiments.machine import setup
from experiments.runs import single, sweep
from tests.helpers import tree

# Option: values that are taken, values that are not. A value may be several words. The
# ranges of numbers are tried in tests/experiments/config/test_config.py.
PROTOCOL = {
    "epochs": (["7"], ["0", "1.5", "2147483648"]),
    "learning-rate": (["1e-9"], ["0", "nan", "x"]),
    "momentum": (["0.5"], ["1"]),
    "weight-decay": (["1e-4"], ["-0.1"]),
    "batch-size": (["100000"], ["0"]),
    "f": (["bounded(2,0.5)"], ["linaer", ""]),
    "eps": (["0.5"], ["0"]),
    "threshold": (["windowed_min(20)"], ["min", "constant(1) --c 1"]),
    "c": (["-1"], ["-inf"]),
    "clip-norm": (["2"], ["0"]),
    "warmup-steps": (["1"], ["0"]),
    "step-cap": (["2"], ["0"]),
    "limit-train": (["64"], ["0", "1438"]),
    "precision": (["bfloat16"], ["float16"]),
    "eval-mode": (["train"], ["test"]),
    "validation": (["10"], ["0", "1437"]),
    "until-above-chance": ([None], ["yes"]),
    "augment": ([], [None]),  # digits have none
    "no-augment": ([None], []),
}
TWO = "h:1 --num-processes 2 --parallel sharded --process-id"
EXECUTION = {
    "out": (["new", "~/new"], ["file", "file/new", "work", "~no-such-user/new"]),
    "resume": ([None], ["yes"]),
    "overwrite": ([None], ["--resume"]),
    "data-dir": (["."], []),
    "cache-dir": (["."], []),
    "time-budget": (["0"], ["-1"]),
    "checkpoint-minutes": (["0"], ["-1"]),
    "parallel": (["pmap"], ["mesh"]),
    "coordinator": (
        ["auto --parallel sharded", f"{TWO} 1"],
        ["auto", "h:1 --parallel sharded", TWO.replace("h:1", "h:65536") + " 1"],
    ),
    "num-processes": ([], ["2"]),
    "process-id": ([], ["0", f"2 --coordinator {TWO.removesuffix('--process-id')}"]),
    "onednn": ([None], ["--parallel pmap"]),
    "keep-weights": ([None], []),
    "init-from": ([], ["nowhere", "file", "work"]),
    "dry-run": ([], ["yes"]),  # it reaches no sweep
}
NAMES = {
    "dataset": (["digits"], ["mnist"]),
    "model": (["nn2"], ["simple_cn"]),
    "optimizer": (["adagrad"], ["lion"]),
}
PAIRS = {
    "arms": (["base clip warmup"], [None, "lmm", "base base", "base shuffled_scale"]),
    "seeds": (["3 1 4294967295"], [None, "0 0", "1 -1"]),
    "lr-sweep": (["0.1 0.2"], ["0", "0.1 nan", "0.1 --limit-train 4"]),
}
OPTIONS = {
    "train": NAMES
    | {"arm": (["base"], ["lmm", "shuffled_scale"]), "seed": (["1"], ["-1"])},
    "compare": PROTOCOL | EXECUTION | NAMES | PAIRS,
    "table": {"optimizers": (["adam rmsprop"], ["lion", "adam adam"])},
}
BASE = {
    "train": ["--overwrite"],
    "compare": ["--overwrite"],
    "table": ["digits", "--overwrite"],
}
OTHERS = [
    "table 9.9",
    "table C.1 --optimizers adam",
    "table all --arms warmup --out work",
    "table 3.5 --limit-train 50001 --out work",
    "report",
    "report nowhere",
    "report ~no-such-user",
    "collect work",
    "collect nowhere --out work",
    "results --root nowhere",
    "figure 9.9",
    "figure 3.7 --runs nowhere",
    "figures --no-such-option",
    "list work",
    "train digits",
]


def words(option, value):
    flag = f"--{option}"
    return [flag] if value is None else [flag, *(value.split(" ") if value else [""])]


def lines(which):
    return [
        [command, *BASE[command], *words(option, value)]
        for command, options in OPTIONS.items()
        for option, values in options.items()
        for value in values[which]
    ]


GOOD, BAD = lines(0), [*lines(1), *(line.split(" ") for line in OTHERS)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working directory with a file, and somebody's work."""
    root = tmp_path_factory.mktemp("place")
    (root / "file").write_text("mine")
    (root / "work").mkdir()
    (root / "work" / "thesis.tex").write_text("mine too")
    return root


@pytest.fixture
def at(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(place))
    return place


def status(argv):
    try:
        return cli.main(argv)
    except SystemExit as end:
        return end.code


def test_every_option_is_tried():
    tried = set().union(*OPTIONS.values()) | {"table"}
    for command in OPTIONS:
        config = importlib.import_module(cli.COMMANDS[command][0]).Config
        names = {field.name.replace("_", "-") for field in dataclasses.fields(config)}
        assert names <= tried


@pytest.mark.parametrize("argv", BAD, ids=" ".join)
def test_a_bad_line_is_refused_and_changes_nothing(argv, at, capsys, monkeypatch):
    def trains(*arguments, **options):
        raise AssertionError("it is accepted")

    monkeypatch.setattr(single, "run", trains)
    before = tree(at)
    out = [] if "--out" in argv or argv[0] not in OPTIONS else ["--out", "new"]
    assert status([*argv, *out]) == 2
    assert capsys.readouterr().err.strip()
    assert tree(at) == before


@pytest.mark.parametrize("argv", GOOD, ids=" ".join)
def test_a_good_line_reaches_the_sweep(argv, at, monkeypatch):
    reached = []
    monkeypatch.setattr(setup, "set_up", lambda process: None)

    def run_all(configs, out, execution, within=None):
        reached.append(within or out)
        return []

    monkeypatch.setattr(sweep, "run_all", run_all)
    monkeypatch.setattr(present, "present", lambda *arguments: None)
    # --resume excludes it.
    argv = [word for word in argv if word != "--overwrite" or "--resume" not in argv]
    with contextlib.chdir(at):
        assert status(argv) == 0
    assert len(reached) == 1
    assert "~" not in str(reached[0])
