"""Damaged and hostile run directories, studies and caches: named, never believed.

Each case starts from what is sound, changes one thing (tests/damage.py), and has the
command report on it beside a sound run. What comes out is a report without it and a
line that names it, or one error that does; never a traceback, a hang, or markup of the
file's own.
"""

import hashlib
import html.parser
import io
import itertools
import json
import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from experiments.commands.cli import main
from experiments.errors import UserError
from experiments.report import curves
from experiments.runs import rows
from experiments.runs.run_directory import find_runs, read_run, read_weights
from tests import damage
from tests.damage import MARKUP, Change, edited, in_time, replaced, with_values
from tests.helpers import PAIRS, VGG, written

INJECTIONS = (
    MARKUP,
    '"><img src=x onerror=alert(1)>',
    "| a | b |\n\n# heading\n[x](javascript:alert(1))",
    "```\n<b>out of the block</b>\n```",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "\u202egnp.exe\u2028\x00\r\n",
    "$\\frac{$ [bold red]markup[/]",
    "&lt;script&gt; ~~x~~ __x__ *x*",
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Four sound run directories, and the study collected of them."""
    root = tmp_path_factory.mktemp("sound")
    written(root / "runs", PAIRS, digest="0" * 64, **VGG)
    for run in (root / "runs").iterdir():
        # As before there were digests, which would refuse any change.
        damage.without_key("result.json", "digest")(run)
    assert main(["collect", str(root / "runs"), "--out", str(root / "study")]) == 0
    return root


FILES = ("config.json", "meta.json", "result.json", "steps.csv", "epochs.csv")
NAN = float("nan")
VALUES = {
    "config.json": {
        "epochs": [3, "2", True, 10**400],
        "seed": [None, [0]],
        "learning_rate": [NAN, 0.02],
        "arm": ["best", ["lm"]],
        "f": [3, "quadratic"],
        "unknown": [1],
    },
    "result.json": {
        "test_accuracy": [99.9, "88", None],
        "average_last_loss": [1e-9, NAN, 10**400],
        "collapsed": [0],
        "status": ["diverged", MARKUP, {}],
        "steps": [91],
        "seconds": [-1, MARKUP],
        "params_sha256": [{"a": 1}],
        "digest": ["0" * 64],
    },
    "meta.json": {
        "versions": [[MARKUP], {"jax": {"deep": [1]}}],
        "machine": [3],
        "commit": [{"a": MARKUP}],
    },
}
EDITS = [
    ("steps.csv", "\n2,1,", "\n3,1,"),
    ("steps.csv", "\n2,1,", "\nx,1,"),
    ("steps.csv", "\n2,1,", "\n2,1,5,5,5,5,"),
    ("steps.csv", "\n2,1,", "\n2,-1,"),
    ("steps.csv", "\n2,1,1,", "\n2,1,1e39,"),
    ("steps.csv", "\n70,2,", "\n70,2,9"),  # a loss of the last window
    ("epochs.csv", "\n2,", "\n1,"),
    ("epochs.csv", "\n2,", "\n2,-5,"),
    ("epochs.csv", "seconds", "minutes"),
]
# All files are opened by one function: each kind of damage of one file.
DAMAGED: dict[str, Change] = {
    f"{name} {kind}": replaced(name, make)
    for (kind, make), name in zip(damage.FILES.items(), FILES[::-1] + FILES[:3])
    if (name, kind) != ("result.json", "missing")  # that is no finished run
}
DAMAGED |= {f"{name} cut": damage.cut(name, 0.97) for name in FILES}
DAMAGED |= {
    f"{name} {kind}": damage.with_content(name, content)
    for (kind, content), name in zip(damage.JSON.items(), itertools.cycle(FILES[:3]))
}
DAMAGED |= {
    f"{name} {key}={value!r:.20}": with_values(name, **{key: value})
    for name, values_of in VALUES.items()
    for key, values in values_of.items()
    for value in values
}
DAMAGED |= {
    # Under a name that makes no claim on the configuration.
    f"{key}: {value!r:.20}": damage.renamed(
        with_values("config.json", **{key: value}), "run"
    )
    for key, value in zip(("dataset", "model", "f", "init_from"), INJECTIONS)
}
DAMAGED |= {
    "config.json without seed": damage.without_key("config.json", "seed"),
    "result.json without status": damage.without_key("result.json", "status"),
}
DAMAGED |= {
    f"{n}: {old!r} as {new!r:.20}": edited(n, old, new) for n, old, new in EDITS
}
# What is not a run of ours at all, and one under another's name.
DAMAGED["a stranger's result.json"] = lambda run: [
    (run / name).unlink() for name in FILES if name != "result.json"
]
DAMAGED["another's name"] = damage.renamed(
    lambda run: None, "digits-nn2-sgd-lm-s0-0123456789"
)


@pytest.fixture
def runs(sound, tmp_path):
    """A directory of two sound runs, of which the first is to be damaged."""
    for run in sorted((sound / "runs").iterdir())[:2]:
        shutil.copytree(run, tmp_path / "runs" / run.name)
    return tmp_path / "runs"


@pytest.mark.parametrize("change", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_run_is_named_and_left_out(change, runs, capsys):
    first, *others = sorted(runs.iterdir())
    change(first)
    (bad,) = set(runs.iterdir()) - set(others)
    assert [run.path for run in in_time(lambda: find_runs([runs]))] == others
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(bad) in said
    assert "pickle" not in said
    assert not re.search(r"\b(delete|remove)\b", said)
    assert said.rstrip("\n").isprintable()
    with pytest.raises(UserError, match=re.escape(str(bad))):
        read_run(bad)


def test_steps_whose_epochs_are_out_of_order_are_not_believed(runs):
    path = sorted(runs.iterdir())[0]
    edited("steps.csv", "\n2,1,", "\n2,2,")(path)
    with pytest.raises(UserError, match="the epochs are out of order"):
        read_run(path)


def test_nothing_but_left_out_runs_is_an_error(runs, capsys):
    for run in runs.iterdir():
        with_values("config.json", epochs=3)(run)
    assert main(["report", str(runs), "--out", str(runs / "report")]) == 2
    said = capsys.readouterr().err
    assert said.count("left out") == 2
    assert "no finished run" in said
    assert not (runs / "report").exists()


def test_a_run_with_a_digest_is_believed_as_it_was_written_only(runs):
    path = sorted(runs.iterdir())[0]
    content = {name: (path / name).read_bytes() for name in FILES}
    result = json.loads(content["result.json"])
    # By hand, as documented: the files' bytes, then the values in a canonical form.
    values = json.dumps(result, sort_keys=True, separators=(",", ":")).encode()
    measured = content["config.json"] + content["steps.csv"] + content["epochs.csv"]
    digest = hashlib.sha256(measured + values).hexdigest()
    with_values("result.json", digest=digest)(path)
    assert read_run(path).result == result
    # Changes that leave everything in agreement with everything else.
    for name, old, new in [
        ("steps.csv", "\n2,1,1", "\n2,1,2"),
        ("epochs.csv", "\n1,50,", "\n1,51,"),
        ("config.json", "{", "{ "),
        ("result.json", '"collapsed": true', '"collapsed": false'),
    ]:
        sound = (path / name).read_bytes()
        edited(name, old, new)(path)
        with pytest.raises(UserError, match="changed since they were written"):
            read_run(path)
        (path / name).write_bytes(sound)


def test_deep_and_looping_directories_are_walked(runs, capsys):
    deep = runs / "deep"
    deep.mkdir()
    os.mkfifo(deep / ".landmod-results")
    (deep / "up").symlink_to(runs)
    (deep / "self").symlink_to("self")
    os.mkfifo(deep / "pipe")
    here = os.open(deep, os.O_RDONLY)
    for _ in range(30):  # in all longer than a path may be
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert len(in_time(lambda: find_runs([runs]))) == 2
    said = capsys.readouterr().err
    assert said.count("left out") == 1
    assert "too long" in said


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def npz(**values: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **values)
    return file.getvalue()


WEIGHTS: dict[str, Change] = damage.FILES | {
    "cut": lambda path: path.write_bytes(npz(a=np.zeros(9))[:200]),
    "pickle": lambda path: path.write_bytes(pickle.dumps({"params": Bomb()})),
    "npz of a pickle": lambda path: path.write_bytes(npz(a=np.array([Bomb()], object))),
    "no network's": lambda path: path.write_bytes(npz(params=np.zeros(2))),
}


@pytest.mark.parametrize("make", WEIGHTS.values(), ids=list(WEIGHTS))
def test_weights_are_arrays_or_refused(make, tmp_path):
    make(tmp_path / "weights.npz")

    def read() -> str:
        with pytest.raises(UserError, match="has no weights to start from") as caught:
            read_weights(tmp_path)
        return str(caught.value)

    said = in_time(read)
    assert "pickle" not in said
    assert said.isprintable()


STUDY = ("runs.csv", "windows.csv.gz", "epochs.csv.gz")
STUDIES: dict[str, Change] = {f"{name} cut": damage.cut(name, 0.97) for name in STUDY}
STUDIES |= {
    f"{name}: {old!r} as {new!r:.20}": edited(name, old, new)
    for name, old, new in [
        ("runs.csv", "base,0,2", "base,0,3"),
        ("runs.csv", "base,0,2", "base,0,2.5"),
        ("runs.csv", "base,0,2", "base,0,1e400"),
        ("runs.csv", "base,0,2", "base,0,2,7"),
        ("runs.csv", "finished", MARKUP),
        ("runs.csv", ",10.0,True", ",99.0,True"),
        ("runs.csv", ",10.0,True", ",10.0,maybe"),
        ("runs.csv", '{""cpu""', '{""cpu'),
        ("runs.csv", "average_last_loss", "loss"),
        ("windows.csv.gz", "\n1,20,", "\n1,1000000000000,"),
        ("windows.csv.gz", "\n1,20,", "\n1,19,"),
        ("windows.csv.gz", "steps,", "windows,"),
        ("epochs.csv.gz", "\n2,", "\n3,"),
    ]
}
STUDIES["runs.csv twice the same run"] = lambda study: (study / "runs.csv").write_text(
    "".join((lines := (study / "runs.csv").read_text().splitlines(True)) + lines[1:2])
)


@pytest.mark.parametrize("change", STUDIES.values(), ids=list(STUDIES))
def test_a_damaged_study_is_named(change, sound, tmp_path):
    study = shutil.copytree(sound / "study", tmp_path / "study")
    change(study)

    def read() -> str:
        with pytest.raises(
            UserError, match=f"{study} does not contain the rows"
        ) as error:
            rows.read(study)
        return str(error.value)

    assert in_time(read).isprintable()


class Seen(html.parser.HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: set[tuple[str, str]] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags |= {(tag, name) for name, _ in attrs} | {(tag, "")}
        self.links += [value for name, value in attrs if name == "href"]


def injected(runs: Path) -> None:
    """Each injection in each text of a meta.json, one more in the path above it."""
    for i, run in enumerate(sorted(runs.iterdir())):
        texts = [INJECTIONS[(i + j) % len(INJECTIONS)] for j in range(7)]
        with_values(
            "meta.json",
            started=texts[0],
            command=texts[1],
            commit=texts[2],
            versions={texts[3]: "1", "jax": texts[4]},
            machine={texts[5]: 1, "cpu": texts[6], "cores": texts[0]},
        )(run)


def test_nothing_from_a_file_is_markup(tmp_path, capsys, monkeypatch):
    """In the page and the tables of runs and of studies; nor in the terminal."""
    monkeypatch.setattr(curves, "draw_curves", lambda *args, **options: [])
    monkeypatch.setattr(curves, "draw_effects", lambda *args, **options: [])
    pairs = {(arm, seed): 50.0 for arm in ("base", "lm") for seed in range(4)}
    hostile = tmp_path / "javascript:alert(1)" / "<b>&\"'?#%|`\x1b[1m\xff"
    for root in (tmp_path / "plain", hostile):
        written(root / "runs", pairs, digest="0" * 64, **VGG)
    injected(hostile / "runs")
    seen, kept = {}, {}
    monkeypatch.chdir(tmp_path)
    for root in (tmp_path / "plain", hostile):
        where = str((root / "runs").relative_to(tmp_path))
        title = INJECTIONS[0] if root is hostile else "x"
        argv = ["report", where, "--out", ".", "--title", title]
        assert main(argv) == 0
        study = root / "studies" / f"study{title[:7]}"
        assert main(["collect", where, "--out", str(study)]) == 0
        assert main(["results", "--root", str(study.parent)]) == 0
        pages = [Path("report.html"), study.parent / "report.html"]
        words = [page.read_text("utf-8") for page in pages]
        seen[root] = [Seen(page) for page in words]
        markdown = [Path("report.md"), study / "tables.md"]
        kept[root] = [path.read_text("utf-8") for path in markdown]
        for text in words + kept[root]:
            assert text.replace("\n", "").isprintable()
    for plain, other in zip(seen[tmp_path / "plain"], seen[hostile]):
        assert other.tags == plain.tags
        # The first part of a relative address must not read as a scheme.
        assert not any(re.match(r"[^/?#]*:", link) for link in other.links)
    for plain, other in zip(kept[tmp_path / "plain"], kept[hostile]):
        assert structure(other) == structure(plain)
    shown = capsys.readouterr()
    # The paths that the user gave are said as they are.
    said = (shown.out + shown.err).replace(str(hostile), "")
    assert said.replace("\n", "").isprintable()


def structure(markdown: str) -> set[str]:
    """The kinds of elements that a reader makes of the text."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    tokens += [child for token in tokens for child in token.children or ()]
    # A character that is escaped is a text of its own in some versions.
    return {token.type for token in tokens} - {"text_special"}
