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

NUMBER = ("x", "nan", "inf", "")
# Option: values that are taken, values that are not. A value may be several words.
PROTOCOL = {
    "epochs": (["1", "7"], ["0", "-1", "1.5", "2147483648", "1" + "0" * 30, *NUMBER]),
    "learning-rate": (["1e-9", "3"], ["0", "-1", "-inf", *NUMBER]),
    "momentum": (["0", "0.5"], ["-1", "1", *NUMBER]),
    "weight-decay": (["0", "1e-4"], ["-0.1", *NUMBER]),
    "batch-size": (["1", "100000"], ["0", "-3", "1.5", *NUMBER]),
    "f": (["quadratic", "bounded(2,0.5)"], ["linaer", "", "2", "power()"]),
    "eps": (["0.5"], ["0", "-1", *NUMBER]),
    "threshold": (
        ["smoothed_min", "windowed_min(20)", "constant(0.5)"],
        ["", "min", "constant", "windowed_min(0)", "constant(1) --c 1"],
    ),
    "c": (["-1", "0", "2.5"], ["-inf", *NUMBER]),
    "clip-norm": (["2"], ["0", "-1", *NUMBER]),
    "warmup-steps": (["1"], ["0", "-1", "1.5", *NUMBER]),
    "step-cap": (["2"], ["0", "-1", *NUMBER]),
    "limit-train": (["64", "1437"], ["0", "-5", "1438", *NUMBER]),
    "precision": (["bfloat16", "tensorfloat32"], ["float16", "", "tf32"]),
    "eval-mode": (["train"], ["test"]),
    "validation": (["10"], ["0", "-1", "1437", "99999", *NUMBER]),
    "until-above-chance": ([None], ["yes"]),
    "augment": ([], [None]),  # digits have none
    "no-augment": ([None], []),
}
EXECUTION = {
    "out": (["new", "~/new"], ["", "file", "file/new", "work", "~no-such-user/new"]),
    "resume": ([None], ["yes"]),
    "overwrite": ([None], ["--resume", "yes"]),
    "data-dir": (["."], [""]),
    "cache-dir": (["."], [""]),
    "time-budget": (["0", "0.5"], ["-1", "-inf", *NUMBER]),
    "checkpoint-minutes": (["0", "0.5"], ["-1", *NUMBER]),
    "parallel": (["pmap", "sharded"], ["mesh", ""]),
    "coordinator": (
        [
            "auto --parallel sharded",
            "h:1 --num-processes 2 --process-id 1 --parallel sharded",
        ],
        [
            "auto",
            "h:1 --num-processes 2 --process-id 1",
            "h:1 --parallel sharded",
            *(
                f"{address} --num-processes 2 --process-id 1 --parallel sharded"
                for address in ("h", "h:", ":1", "h:0", "h:65536", "h:x")
            ),
        ],
    ),
    "num-processes": (
        [],
        ["2", "0 --coordinator h:1 --process-id 0 --parallel sharded", *NUMBER],
    ),
    "process-id": (
        [],
        [
            "0",
            "2 --coordinator h:1 --num-processes 2 --parallel sharded",
            "-1 --coordinator h:1 --num-processes 2 --parallel sharded",
        ],
    ),
    "onednn": ([None], ["--parallel pmap"]),
    "keep-weights": ([None], ["yes"]),
    "init-from": ([], ["", "nowhere", "file", "work"]),
    "dry-run": ([], ["yes"]),  # it reaches no sweep
}
NAMES = {
    "dataset": (["digits"], ["mnist", ""]),
    "model": (["nn2"], ["simple_cn", ""]),
    "optimizer": (["adagrad"], ["lion", ""]),
}
SEED = (["0", "4294967295"], ["-1", "4294967296", "1" + "0" * 22, "0.5", *NUMBER])
PAIRS = {
    "arms": (
        ["lm", "base clip warmup"],
        [None, "lmm", "base base", "base shuffled_scale"],
    ),
    "seeds": (["3 1 2", *SEED[0]], [None, "0 0", "1 2 -1", *SEED[1]]),
    "lr-sweep": (
        ["0.1 0.2"],
        [None, "0", "-1", "0.1 0.1", "0.1 nan", "0.1 --limit-train 4", *NUMBER],
    ),
    "difference": (["0.5"], ["0", "-1", *NUMBER]),
}
OPTIONS = {
    "train": PROTOCOL
    | EXECUTION
    | NAMES
    | {"arm": (["base", "clip"], ["lmm", "shuffled_scale"]), "seed": SEED},
    "compare": PROTOCOL | EXECUTION | NAMES | PAIRS,
    "table": PROTOCOL
    | EXECUTION
    | PAIRS
    | {"optimizers": (["sgd", "adam rmsprop"], [None, "lion", "adam adam"])},
}
# Momentum is not of all four, and limits keep accepted lines of a table apart.
BASE = {
    "train": ["--overwrite"],
    "compare": ["--overwrite"],
    "table": ["digits", "--optimizers", "sgd", "--overwrite"],
}
OTHERS = [
    "table 9.9",
    "table C.1 --optimizers adam",
    "table C.1 --arms warmup --out work",
    "table all --arms warmup --out work",
    "table 3.5 --limit-train 50001 --out work",
    "report",
    "report nowhere",
    "report file",
    "report work --title",
    "report work --difference 0",
    "report ~no-such-user",
    "collect work",
    "collect work --out",
    "collect nowhere --out work",
    "collect --out work",
    "results --root nowhere",
    "results --root",
    "figure",
    "figure 9.9",
    "figure 3.7 --runs",
    "figure 3.7 --runs nowhere",
    "figures --no-such-option",
    "list nowhere",
    "list work",
    "list ~no-such-user",
    "list --directories work",
    "trian",
    "train digits",
    "train --no-such-option 3",
    "compare --out",
]


def words(option, value):
    flag = f"--{option}"
    return [flag] if value is None else [flag, *(value.split(" ") if value else [""])]


def lines(which):
    """Every value for `compare`; for the others, one of what they share with it."""
    return [
        [command, *BASE[command], *words(option, value)]
        for command, options in OPTIONS.items()
        for option, values in options.items()
        for value in values[which][
            : 1 if command != "compare" and option in SHARED else None
        ]
    ]


SHARED = set(PROTOCOL | EXECUTION | PAIRS)
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


def test_there_are_enough_of_them():
    assert len({tuple(line) for line in BAD}) == len(BAD) >= 200
    assert len(GOOD) >= 80


@pytest.mark.parametrize("command", list(OPTIONS))
def test_every_option_is_tried(command):
    config = importlib.import_module(cli.COMMANDS[command][0]).Config
    names = {field.name.replace("_", "-") for field in dataclasses.fields(config)}
    assert names - set(OPTIONS[command]) <= {"table"}


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
