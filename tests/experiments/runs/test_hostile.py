"""Damaged and hostile run directories, studies and caches: named, never believed.

Each case starts from what is sound, changes one thing, and has the command report on it
beside a sound run. What comes out is a report without it and a line that names it, or
one error that does; never a traceback, a hang, or markup of the file's own.
"""

import gzip
import hashlib
import html.parser
import io
import json
import os
import pickle
import re
import shutil
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from experiments.annealing.study import STUDY as ANNEAL
from experiments.commands.cli import main
from experiments.data import loading
from experiments.errors import UserError
from experiments.report import curves
from experiments.runs import rows
from experiments.runs.run_directory import find_runs, read_run, read_weights
from experiments.study import store
from tests.helpers import PAIRS, VGG, written

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
    for run in (root / "runs").iterdir():
        without_digest(run)
    assert main(["collect", str(root / "runs"), "--out", str(root / "study")]) == 0
    return root


def without_digest(run: Path) -> None:
    """Make it a run from before there were digests, which would refuse any change."""
    result = json.loads((run / "result.json").read_text())
    result.pop("digest", None)
    (run / "result.json").write_text(json.dumps(result))


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


def renamed(change: Change, name: str = "run") -> Change:
    def both(run: Path) -> None:
        change(run)
        run.rename(run.with_name(name))

    return both


def loop(path: Path) -> None:
    path.symlink_to(path.name)


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
    # Under a name that makes no claim on the configuration.
    f"config {name}: {value!r:.20}": renamed(edit_json("config.json", **{name: value}))
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
        ("steps.csv", b"\n2,1,1,", b"\n2,1,1e39,"),
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
# What is not a run of ours at all, and one under another's name.
DAMAGED["a stranger's result.json"] = lambda run: [
    (run / name).unlink() for name in FILES if name != "result.json"
]
DAMAGED["another's name"] = renamed(lambda run: None, "digits-nn2-sgd-lm-s0-0123456789")


@pytest.fixture
def runs(sound, tmp_path):
    """A directory of sound runs, of which the first is to be damaged."""
    return shutil.copytree(sound / "runs", tmp_path / "runs")


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


def test_nothing_but_left_out_runs_is_an_error(runs, capsys):
    for run in runs.iterdir():
        edit_json("config.json", epochs=3)(run)
    assert main(["report", str(runs), "--out", str(runs / "report")]) == 2
    said = capsys.readouterr().err
    assert said.count("left out") == 4
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
    edit_json("result.json", digest=digest)(path)
    assert read_run(path).result == result
    # Changes that leave everything in agreement with everything else.
    for name, old, new in [
        ("steps.csv", b"\n2,1,1", b"\n2,1,2"),
        ("epochs.csv", b"\n1,50,", b"\n1,51,"),
        ("config.json", b"{", b"{ "),
        ("result.json", b'"collapsed": true', b'"collapsed": false'),
    ]:
        sound = (path / name).read_bytes()
        edit(name, old, new)(path)
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
        there = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    os.close(here)
    assert len(in_time(lambda: find_runs([runs]))) == 4
    said = capsys.readouterr().err
    assert said.count("left out") == 1
    assert "too long" in said


WEIGHTS: dict[str, Change] = SPECIAL | {
    "text": lambda path: path.write_text("weights"),
    "cut": lambda path: path.write_bytes(_npz(a=np.zeros(9))[:200]),
    "pickle": lambda path: path.write_bytes(pickle.dumps({"params": Bomb()})),
    "npy of a pickle": lambda path: _npy(path, np.array([Bomb()], object)),
    "npz of a pickle": lambda path: path.write_bytes(
        _npz(a=np.array([Bomb()], object))
    ),
    "no network's": lambda path: path.write_bytes(_npz(params=np.zeros(2))),
    "no array in the archive": lambda path: _zip(path, a=b"text"),
    "header cut within a line": lambda path: _zip(
        path, **{"params/a.npy": b"\x93NUMPY\x01\x00\x02\x00{\n"}
    ),
    "header of text": lambda path: _zip(
        path, **{"a.npy": b"\x93NUMPY\x01\x00\x08\x00import x"}
    ),
}


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def _npy(path: Path, array: np.ndarray) -> None:
    with open(path, "wb") as file:
        np.save(file, array, allow_pickle=True)


def _npz(**values: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **values)
    return file.getvalue()


def _zip(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


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


@pytest.mark.parametrize("make", WEIGHTS.values(), ids=list(WEIGHTS))
def test_a_cache_is_cifar_or_refused(make, tmp_path):
    if (cache := tmp_path / "cifar10.npz") and make is SPECIAL["missing"]:
        pytest.skip("then it is made")
    make(cache)

    def read() -> str:
        with pytest.raises(UserError) as caught:
            loading.load("cifar10", cache_dir=tmp_path, data_dir=tmp_path / "none")
        return str(caught.value)

    said = in_time(read)
    assert str(tmp_path) in said
    assert "pickle" not in said


STUDY = ("runs.csv", "windows.csv.gz", "epochs.csv.gz")


def edit_rows(name: str, old: str, new: str) -> Change:
    def change(study: Path) -> None:
        packed = name.endswith(".gz")
        content = (study / name).read_bytes()
        text = (gzip.decompress(content) if packed else content).decode()
        assert old in text
        content = text.replace(old, new, 1).encode()
        (study / name).write_bytes(gzip.compress(content) if packed else content)

    return change


STUDIES: dict[str, Change] = {
    f"{name} {kind}": replace(name, make)
    for name in STUDY
    for kind, make in SPECIAL.items()
}
STUDIES |= {f"{name} cut at {p}": cut(name, p) for name in STUDY for p in (0.3, 0.97)}
STUDIES |= {
    f"{name}: {old!r} as {new!r:.20}": edit_rows(name, old, new)
    for name, old, new in [
        ("runs.csv", "base,0,2", "base,0,3"),
        ("runs.csv", "base,0,2", "base,0,2.5"),
        ("runs.csv", "base,0,2", "base,-1,2"),
        ("runs.csv", "base,0,2", "base,0,1e400"),
        ("runs.csv", "base,0,2", "base,0,"),
        ("runs.csv", "base,0,2", "base,0,2,7"),
        ("runs.csv", "base,0,2", 'base,"0,2'),
        ("runs.csv", "finished", MARKUP),
        ("runs.csv", "linear", MARKUP),
        ("runs.csv", ",10.0,True", ",99.0,True"),
        ("runs.csv", ",10.0,True", ",10.0,maybe"),
        ("runs.csv", ",10.0,True", ",,True"),
        ("runs.csv", '""abacus""', "[1]"),
        ("runs.csv", '{""cpu""', '{""cpu'),
        ("runs.csv", "dataset,", "model,"),
        ("runs.csv", "run,", "name,"),
        ("runs.csv", "average_last_loss", "loss"),
        ("windows.csv.gz", "\n1,20,", "\n1,1000000000000,"),
        ("windows.csv.gz", "\n1,20,", "\n1,-20,"),
        ("windows.csv.gz", "\n1,20,", "\n1,19,"),
        ("windows.csv.gz", "\n1,20,", "\n1,20,x"),
        ("windows.csv.gz", "\n2,20,", "\n9,20,"),
        ("windows.csv.gz", "steps,", "windows,"),
        ("epochs.csv.gz", "\n2,", "\n3,"),
        ("epochs.csv.gz", "\n1,50,", "\n1,500,"),
        ("epochs.csv.gz", "seconds", MARKUP),
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


ANNEALING = Path(__file__).resolve().parents[3] / "results" / "annealing"
ANNEALED: dict[str, Change] = {
    f"{name} {kind}": replace(name, make)
    for name in ("escapes.csv", "paths.csv.gz", "about.json")
    for kind, make in SPECIAL.items()
}
ANNEALED |= {
    f"about {name}={value!r:.20}": edit_json("about.json", **{name: value})
    for name, value in [
        ("sizes", None),
        ("sizes", {"steps": "2000", "settings": 16, "chains": 200}),
        ("machine", [MARKUP]),
        ("command", {}),
        ("seconds", "long"),
    ]
}
ANNEALED |= {
    f"{name}: {old!r} as {new!r:.20}": edit_rows(name, old, new)
    for name, old, new in [
        ("escapes.csv", "langevin", MARKUP),
        ("escapes.csv", "barrier,langevin,,0.5,0.3,200", "barrier,langevin,,1,1,.5"),
        ("escapes.csv", "mean_time", "time"),
        ("paths.csv.gz", "rastrigin", MARKUP),
        ("curves.csv.gz", "rastrigin,2", "rastrigin,2000000"),
    ]
}


@pytest.mark.parametrize("change", ANNEALED.values(), ids=list(ANNEALED))
def test_a_damaged_annealing_study_is_named(change, tmp_path):
    study = shutil.copytree(ANNEALING, tmp_path / "annealing")
    change(study)

    def read() -> str:
        with pytest.raises(
            UserError, match=f"{study} does not contain the rows"
        ) as error:
            store.read(ANNEAL, study)
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
        edit_json(
            "meta.json",
            started=texts[0],
            command=texts[1],
            commit=texts[2],
            versions={texts[3]: "1", "jax": texts[4]},
            machine={texts[5]: 1, "cpu": texts[6], "cores": texts[0]},
        )(run)


def test_nothing_from_a_file_is_markup(tmp_path, capsys, monkeypatch):
    """In the page and the tables of runs and of studies; nor in the terminal."""
    monkeypatch.setattr(curves, "draw_curves", lambda *args: [])
    monkeypatch.setattr(curves, "draw_effects", lambda *args: [])
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


def test_there_are_hundreds_of_them():
    cases = (DAMAGED, WEIGHTS, WEIGHTS, STUDIES, ANNEALED)
    assert sum(map(len, cases)) >= 300
