"""Damaged and hostile run directories, studies and caches: named, never believed.

Each case starts from what is sound, changes one thing, and has the command report on it
beside a sound run. What comes out is a report without it and a line that names it, or
one error that does; never a traceback, a hang, or markup of the file's own.
"""

import gzip
import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import data, reading, rows
from experiments.cli import main
from experiments.errors import UserError
from experiments.rundir import find_runs, read_run, read_weights
from tests.experiments.test_report import PAIRS, VGG, written

Change = Callable[[Path], Any]
SECONDS = 20  # a hang is one of far longer

MARKUP = "<script>alert(1)</script>"
INJECTIONS = (
    MARKUP,
    '"><img src=x onerror=alert(1)>',
    "| a | b |\n\n# heading\n[x](javascript:alert(1))",
    "```\n<b>out of the block</b>\n```",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "‮gnp.exe\u2028\x00\r\n",
    "$\\frac{$ [bold red]markup[/]",
    "&lt;script&gt; ~~x~~ __x__ *x*",
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Four sound run directories, and the study collected of them."""
    root = tmp_path_factory.mktemp("sound")
    written(root / "runs", PAIRS, digest="0" * 64, **VGG)
    assert main(["collect", str(root / "runs"), "--out", str(root / "study")]) == 0
    return root


def in_time(work: Callable[[], Any]) -> Any:
    """What `work` returns; a failure where it takes too long or raises."""
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(work()), daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), "it hangs"
    assert done, "it raised"
    return done[0]


def edit_json(name: str, **values: Any) -> Change:
    def change(run: Path) -> None:
        path = run / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def edit(name: str, old: bytes, new: bytes) -> Change:
    def change(run: Path) -> None:
        content = (run / name).read_bytes()
        assert old in content
        (run / name).write_bytes(content.replace(old, new, 1))

    return change


def put(name: str, content: bytes) -> Change:
    return lambda run: (run / name).write_bytes(content)


def replace(name: str, make: Change) -> Change:
    def change(run: Path) -> None:
        (run / name).unlink()
        make(run / name)

    return change


def cut(name: str, part: float) -> Change:
    def change(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: int(len(content) * part)])

    return change


def drop_key(name: str, key: str) -> Change:
    def change(run: Path) -> None:
        values = json.loads((run / name).read_text())
        del values[key]
        (run / name).write_text(json.dumps(values))

    return change


def without_column(name: str, column: str) -> Change:
    def change(run: Path) -> None:
        import pandas as pd

        frame = pd.read_csv(run / name)
        frame.drop(columns=column).to_csv(run / name, index=False)

    return change


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def huge(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(reading.LIMIT + 2)


FILES = ("config.json", "meta.json", "result.json", "steps.csv", "epochs.csv")
SPECIAL: dict[str, Change] = {
    "pipe": os.mkfifo,
    "directory": Path.mkdir,
    "loop": loop,
    "broken link": lambda path: path.symlink_to("nowhere"),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "empty": Path.touch,
    "missing": lambda path: None,
}
DAMAGED: dict[str, Change] = {
    f"{name} {kind}": replace(name, make)
    for name in FILES
    for kind, make in SPECIAL.items()
    if (name, kind) != ("result.json", "missing")  # that is no finished run
}
DAMAGED |= {f"{name} cut at {p}": cut(name, p) for name in FILES for p in (0.3, 0.97)}
DAMAGED |= {f"{name} not UTF-8": put(name, b"\xff\xfe{}\n") for name in FILES}
DAMAGED |= {
    f"{name} {what}": put(name, content)
    for name in FILES[:3]
    for what, content in {
        "a list": b"[]",
        "a number": b"1e999",
        "deep": b'{"a":' * 100_000,
        "long number": b'{"seed": ' + b"9" * 5000 + b"}",
        "BOM": b"\xef\xbb\xbf{}",
        "key twice": b'{"status": 1, "status": 2}',
    }.items()
}
DAMAGED |= {
    f"config {name}={value!r:.20}": edit_json("config.json", **{name: value})
    for name, value in [
        ("epochs", 3),
        ("epochs", "2"),
        ("epochs", 2.0),
        ("epochs", True),
        ("epochs", 10**400),
        ("epochs", -1),
        ("seed", None),
        ("seed", [0]),
        ("learning_rate", "0.01"),
        ("learning_rate", float("nan")),
        ("learning_rate", -1.0),
        ("learning_rate", 0.02),
        ("eps", 5.0),
        ("c", {"a": 1}),
        ("arm", "best"),
        ("arm", ["lm"]),
        ("optimizer", "lion"),
        ("precision", "float8"),
        ("f", 3),
        ("f", "quadratic"),
        ("unknown", 1),
        ("momentum", float("nan")),
    ]
}
DAMAGED |= {
    f"config {name}: {value!r:.20}": edit_json("config.json", **{name: value})
    for name in ("dataset", "model", "f", "init_from", "optimizer", "arm")
    for value in INJECTIONS
}
DAMAGED |= {
    f"result {name}={value!r:.20}": edit_json("result.json", **{name: value})
    for name, value in [
        ("test_accuracy", 99.9),
        ("test_accuracy", "88"),
        ("test_accuracy", None),
        ("test_accuracy", float("inf")),
        ("average_last_loss", 1e-9),
        ("average_last_loss", float("nan")),
        ("average_last_loss", []),
        ("collapsed", 0),
        ("collapsed", MARKUP),
        ("status", "diverged"),
        ("status", MARKUP),
        ("status", {}),
        ("steps", 91),
        ("steps", "90"),
        ("seconds", -1),
        ("seconds", 1e300),
        ("seconds", MARKUP),
        ("params_sha256", {"a": 1}),
        ("digest", "0" * 64),
        ("digest", 5),
    ]
}
DAMAGED |= {
    f"meta {name}={value!r:.20}": edit_json("meta.json", **{name: value})
    for name, value in [
        ("versions", [MARKUP]),
        ("versions", MARKUP),
        ("versions", {"jax": {"deep": [1]}}),
        ("machine", 3),
        ("machine", {"cpu": [[]]}),
        ("commit", {"a": MARKUP}),
        ("command", ["python"]),
    ]
}
DAMAGED |= {
    f"{name} without {key}": drop_key(name, key)
    for name, key in [
        ("config.json", "seed"),
        ("config.json", "dataset"),
        ("result.json", "status"),
        ("result.json", "test_accuracy"),
        ("result.json", "average_last_loss"),
        ("result.json", "collapsed"),
    ]
}
DAMAGED |= {
    f"{name} without {column}": without_column(name, column)
    for name, columns in (
        ("steps.csv", ("step", "epoch", "loss", "c", "scale")),
        ("epochs.csv", ("epoch", "test_accuracy", "test_loss", "seconds")),
    )
    for column in columns
}
DAMAGED |= {
    f"{name}: {old.decode()!r} as {new.decode()!r:.20}": edit(name, old, new)
    for name, old, new in [
        ("steps.csv", b"\n2,1,", b"\n3,1,"),
        ("steps.csv", b"\n2,1,", b"\nx,1,"),
        ("steps.csv", b"\n2,1,", b"\n2,1,5,5,5,5,"),
        ("steps.csv", b"\n2,1,", b"\n2,-1,"),
        ("steps.csv", b"\n2,1,", b"\n2,1e300,"),
        ("steps.csv", b"\n2,1,", b"\n2,1,1e39"),
        ("steps.csv", b"\n2,1,", b"\n2.5,1,"),
        ("steps.csv", b"\n2,1,", b"\n,1,"),
        ("steps.csv", b"\n2,1,", b'\n"2,1,'),
        ("steps.csv", b"\n70,2,", b"\n70,2,9"),  # a loss of the last window
        ("steps.csv", b"step,epoch", b"step,step"),
        ("steps.csv", b"step,", b"\x00,"),
        ("epochs.csv", b"\n2,", b"\n1,"),
        ("epochs.csv", b"\n2,", b"\n2,-5,"),
        ("epochs.csv", b"\n2,", b"\n2,1e308,"),
        ("epochs.csv", b"\n2,", b"\n2," + MARKUP.encode() + b","),
        ("epochs.csv", b"seconds", b"minutes"),
    ]
}
# What is not a run of ours at all.
DAMAGED["a stranger's result.json"] = lambda run: [
    (run / name).unlink() for name in FILES if name != "result.json"
]
DAMAGED["renamed"] = lambda run: run.rename(run.with_name(run.name[:-1] + "z"[:1]))


@pytest.fixture
def runs(sound, tmp_path):
    """A directory of sound runs; the last of them is the one to damage."""
    shutil.copytree(sound / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def victim(runs: Path) -> Path:
    return sorted(runs.iterdir())[-1]


@pytest.mark.parametrize("change", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_run_is_named_and_left_out(change, runs, capsys):
    bad = victim(runs)
    change(bad)
    if not bad.exists():
        (bad,) = set(runs.iterdir()) - {bad} - set(sorted(runs.iterdir())[:3])
    found = in_time(lambda: find_runs([runs]))
    assert len(found) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(bad) in said
    assert "pickle" not in said
    assert not re.search(r"\b(delete|remove)\b", said)
    assert said.rstrip("\n").isprintable()
    with pytest.raises(UserError, match=re.escape(str(bad))):
        read_run(bad)


def test_there_are_a_hundred_of_them():
    assert len(DAMAGED) >= 100
