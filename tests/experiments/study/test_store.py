"""Kills at any moment, two commands at once, pieces: by the documentation's example."""

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from experiments.commands.cli import main
from experiments.errors import UserError
from experiments.machine import stopping
from experiments.machine.locks import locked
from experiments.runs import provenance
from experiments.study import document, measure, record, registry, start, store
from experiments.study.pace import Pace
from tests.experiments.study.examples import WALKS
from tests.helpers import Quiet


def rows(out):
    return {path.name: path.read_bytes() for path in out.glob("[!.]*.csv")}


class Killed(BaseException):
    pass


def dying(change, countdown):
    """A change of a directory's entries that kills once the countdown is at 0."""

    def wrapped(*arguments, **options):
        if next(countdown, 0) == 0:
            raise Killed
        return change(*arguments, **options)

    return wrapped


@pytest.mark.parametrize("more", [[], ["--overwrite"]], ids=["new", "overwrite"])
def test_a_kill_at_any_moment_leaves_a_study_that_resumes(
    walks, tmp_path, monkeypatch, more
):
    """Before each change of the directory's entries in turn, with two parts."""
    monkeypatch.setattr(document, "write", lambda study, out: None)
    monkeypatch.setattr(provenance, "versions", dict)
    argv = [*WALKS[:-1], "--steps", "2", "4", "--out"]
    expected = {name: rows(walks)[name] for name in ("steps2.csv", "steps4.csv")}
    moments = 0
    while True:
        out = tmp_path / str(moments)
        if more:
            shutil.copytree(walks, out)
        countdown = iter(range(moments, -1, -1))
        with monkeypatch.context() as patch:
            for change in ("replace", "unlink", "mkdir", "rmdir"):
                patch.setattr(os, change, dying(getattr(os, change), countdown))
            try:
                assert main([*argv, str(out), *more]) == 0
                break
            except Killed:
                pass
        for again in ([], ["--resume"], ["--overwrite"]):
            retried = tmp_path / f"{moments} again"
            shutil.rmtree(retried, ignore_errors=True)
            if out.exists():
                shutil.copytree(out, retried)
            status = main([*argv, str(retried), *again])
            assert status == 0 or not again
            if status == 0:
                assert rows(retried).items() >= expected.items()
        moments += 1
    assert moments > 10


@pytest.mark.slow
def test_a_killed_process_leaves_a_study_that_resumes(tmp_path):
    """A real SIGKILL, before the index is in its place."""
    code = """
import os, signal, sys
replace = os.replace
def dying(source, target):
    if str(target).endswith(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = dying
from experiments.commands.cli import main
main(sys.argv[2:])
"""
    argv = "anneal --objectives styblinski_tang --dimensions 1 --steps 20 --records 10"
    argv += " --chains 5 --settings 1 --tunings 1 --barriers 0.5 --temperatures 1"
    argv = [*argv.split(), "--escape-steps", "50", "--out", str(tmp_path)]
    run = [sys.executable, "-c", code, "about.json", *argv]
    assert subprocess.run(run, check=False).returncode == -9
    assert main(argv) == 0


def test_while_a_command_measures_none_replaces_its_study(
    walks, tmp_path, capsys, monkeypatch
):
    out, refused = tmp_path / "x", []
    write = store.write

    def meanwhile(*arguments):
        write(*arguments)
        for more in ([], ["--overwrite"], ["--resume", "--walks", "60"]):
            refused.append(main([*WALKS, str(out), *more]))

    monkeypatch.setattr(store, "write", meanwhile)
    assert main([*WALKS, str(out)]) == 0
    assert refused == [2] * 9
    assert "another command is measuring this" in capsys.readouterr().err
    assert rows(out) == rows(walks)


def test_two_commands_share_the_parts(walks, tmp_path, capsys):
    out = tmp_path / "x"
    assert main([*WALKS, str(out), "--steps", "2"]) == 0
    with locked(store.lock(out, "steps4")):
        assert main(["list", str(out)]) == 0
        assert "  running   steps4" in capsys.readouterr().out
        assert main([*WALKS, str(out), "--resume"]) == 0
    assert "steps4: another command is measuring it" in capsys.readouterr().out
    assert set(rows(out)) == {"steps2.csv", "steps8.csv"}
    assert main([*WALKS, str(out), "--resume"]) == 0
    assert rows(out) == rows(walks)


def test_a_part_of_a_replaced_study_is_not_written(walks, tmp_path):
    out = shutil.copytree(walks, tmp_path / "x")
    study = registry.study("walks")
    frames = store.read(study, out)["steps2"]
    with pytest.raises(UserError, match="another command has replaced the study"):
        store.write(study, out, "0", "steps2", {}, frames)


def test_a_study_older_than_its_record_is_read_but_not_resumed(walks, tmp_path, capsys):
    """Its entries have neither digests nor options."""
    out = shutil.copytree(walks, tmp_path / "x")
    index = json.loads((out / "walks.json").read_text())
    del index["study"]
    for about in index.values():
        del about["files"]
    (out / "walks.json").write_text(json.dumps(index))
    assert main(["results", "--root", str(out)]) == 0
    assert main([*WALKS, str(out), "--resume"]) == 2
    assert "does not say with which options" in capsys.readouterr().err


DAMAGE = {
    "truncated": lambda a, path: path.write_bytes(path.read_bytes()[:300]),
    "a number changed": lambda a, path: np.savez(path, **a | {"x": a["x"] + 1}),
    "no origin": lambda a, path: np.savez(path, x=a["x"]),
    "an origin that is none": lambda a, path: np.savez(path, **a | {"about": "[]"}),
}


def pieces(out, id_="a", part="first", shown=None):
    part = record.Part(part, "sort", 1, pieces=2)
    return measure.Pieces(out, id_, part, stopping.Stop(), shown or Quiet())


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_piece_is_measured_again(damage, tmp_path, capsys):
    pieces(tmp_path).kept("p", lambda: {"x": np.arange(3.0)})
    (path,) = tmp_path.rglob("*.npz")
    with np.load(path) as file:
        arrays = dict(file)
    damage(arrays, path)
    calls = []
    again = pieces(tmp_path).kept("p", lambda: calls.append(0) or {"x": np.arange(3.0)})
    np.testing.assert_array_equal(again["x"], np.arange(3.0))
    assert calls
    assert "which is measured again" in capsys.readouterr().err
    calls.clear()
    pieces(tmp_path).kept("p", lambda: calls.append(0))
    assert not calls


@pytest.mark.parametrize("origin", [{"id_": "b"}, {"part": "second"}, {"piece": "q"}])
def test_a_piece_of_another_is_measured_again(origin, tmp_path):
    pieces(tmp_path).kept("p", lambda: {"x": np.zeros(3)})
    (path,) = tmp_path.rglob("*.npz")
    id_, part = origin.get("id_", "a"), origin.get("part", "first")
    name = origin.get("piece", "p")
    target = tmp_path / store.PIECES / part / f"{name}.npz"
    target.parent.mkdir(exist_ok=True)
    with contextlib.suppress(shutil.SameFileError):
        shutil.copy(path, target)
    again = pieces(tmp_path, id_, part).kept(name, lambda: {"x": np.ones(3)})
    np.testing.assert_array_equal(again["x"], np.ones(3))


def test_a_finished_part_takes_no_other_part_s_pieces_with_it(tmp_path):
    parts = [pieces(tmp_path, part=name) for name in ("s1", "s1.5")]
    for part in parts:
        part.kept("p", lambda: {"x": np.zeros(3)})
    assert store.interrupted(tmp_path) == {"s1": 1, "s1.5": 1}
    parts[0].remove()
    assert store.interrupted(tmp_path) == {"s1.5": 1}
    parts[1].remove()
    assert not (tmp_path / store.PIECES).exists()


def test_the_seconds_of_interrupted_attempts_count(tmp_path):
    first = pieces(tmp_path)
    first._before = 100.0
    first.kept("p", lambda: {"x": np.zeros(3)})
    second = pieces(tmp_path)
    second.kept("p", dict)
    assert second.seconds >= 100


def test_a_long_part_shows_the_pieces_that_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr(measure.Pieces, "seconds", 10.0)
    shown, below = Quiet(), []
    monkeypatch.setattr(shown, "whole", below.append, raising=False)
    part = pieces(tmp_path, shown=shown)
    part.kept("p", dict)
    assert not shown.lines
    monkeypatch.setattr(part, "_said", part._said - 61)  # a minute ago
    part.kept("q", dict)
    assert shown.lines == ["first: 2 of 2 pieces"]
    assert below == ["first: 1 of 2 pieces, about 10 s left", "first: 2 of 2 pieces"]


def test_progress_has_the_time_that_is_left(tmp_path, monkeypatch):
    """At the pace of what is finished: 2, 4 and 8 steps take in proportion."""
    monkeypatch.setattr(measure.Pieces, "seconds", 10.0)
    shown, study = Quiet(), registry.study("walks")
    config = sys.modules["experiments.walks"].Config(walks=50, out=tmp_path)
    with start.working(study, config) as id_:
        measure.run(study, config, id_, stopping.Stop(), shown)
    first, second, third, fourth, fifth, last = shown.lines
    assert first == "steps2"
    assert second.startswith("steps2: ")
    assert second.endswith(" returned; about 60 s for 2 parts")  # 5 s a step
    assert third == "steps4; takes about 20 s"
    assert fourth.endswith(" returned; about 27 s for 1 part")  # 20 s for 6 steps
    assert fifth == "steps8; takes about 27 s"
    assert last.endswith(" returned")


def test_a_pace_is_the_sum_of_seconds_over_the_sum_of_amounts():
    pace = Pace()
    pace.add("walks", 100, 10.0, "here")
    pace.add("walks", 1, 1.0, "here")
    pace.add("walks", 1, 50.0, "elsewhere")  # with fewer parts
    part = record.Part("p", "walks", 202)
    assert pace.seconds([part, part]) == pytest.approx(44.0)
    assert pace.machine("walks") == "here"
    assert pace.seconds([part._replace(sort="flights")]) is None


def test_other_tables_than_the_declared_ones_are_named(tmp_path, monkeypatch):
    module = sys.modules["experiments.walks"]
    study = dataclasses.replace(module.STUDY, measure=lambda *given: {"wlaks": None})
    monkeypatch.setattr(module, "STUDY", study)
    words = "measuring steps2 gave the tables 'wlaks'; the study of random walks decl"
    with pytest.raises(ValueError, match=words):
        main([*WALKS, str(tmp_path)])
    assert not list(tmp_path.glob("*.csv"))


TABLE = record.Table(
    "t.csv",
    {
        "share": record.Column(0, 1), "any": record.NUMBER, "count": record.COUNT,
        "name": record.Column(choices=("a", "b")), "few": record.Column(empty=True),
    },
    ("name", "count"),
)  # fmt: skip
SOUND = {
    "share": [0.5, 1.0, 0.0], "any": [-1e300, 0.0, 1.0], "count": [0, 1, 2],
    "name": ["a", "b", "a"], "few": [None, 1.0, 2.0],
}  # fmt: skip


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("share", [0, -0.1, 2], "t.csv, line 3: share is -0.1, not a number from 0 to"),
        ("share", [0, 1, np.nan], "line 4: share is nan, not a number from 0 to 1$"),
        ("any", [np.inf, 0, 0], "line 2: any is inf, not a number$"),
        ("count", [0, 1, 0.5], "line 4: count is 0.5, not a whole number from 0 to 90"),
        ("name", ["a", "b", "c"], "line 4: name is 'c', not one of a, b$"),
        ("few", [0, -np.inf, 0], "line 3: few is -inf, not a number, or empty$"),
        ("count", [0, 1, 0], "line 4 is another row of name a, count 0$"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_line_and_its_range(
    column, values, words
):
    store.check(TABLE, pd.DataFrame(SOUND))
    with pytest.raises(ValueError, match=words):
        store.check(TABLE, pd.DataFrame(SOUND | {column: values}))


def test_a_failure_of_the_words_is_not_called_damage(walks, tmp_path, monkeypatch):
    out = shutil.copytree(walks, tmp_path / "x")
    module = sys.modules["experiments.walks"]
    study = dataclasses.replace(module.STUDY, words=lambda rows, index: rows["steps3"])
    with pytest.raises(UserError) as caught:
        document.write(study, out)
    said = str(caught.value)
    assert "tables.md cannot be made: KeyError: 'steps3' (test_store.py, line " in said
    assert said.endswith("or the study of random walks has a bug")


def test_locks_that_a_killed_command_left_are_removed(walks, tmp_path):
    out = shutil.copytree(walks, tmp_path / "x")
    for name in (".command-1.lock", ".steps2.lock", ".steps9.lock"):
        (out / name).touch()
    with locked(out / ".steps8.lock"):
        assert main([*WALKS, str(out), "--resume"]) == 0
        assert [path.name for path in out.glob(".*")] == [".steps8.lock"]
