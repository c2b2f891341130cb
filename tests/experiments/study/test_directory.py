"""What commands say of a study's directory, by the documentation's example."""

import dataclasses
import json
import re
import shutil
import sys

import jax
import pytest

from experiments.commands.cli import main
from experiments.runs import provenance
from experiments.study import command, measure, record, registry, store
from tests import damage
from tests.experiments.study.examples import WALKS
from tests.helpers import tree


@pytest.fixture
def copy(walks, tmp_path):
    return shutil.copytree(walks, tmp_path / "copy")


def test_a_finished_study_is_left_alone(copy, capsys):
    before = tree(copy)
    assert main([*WALKS, str(copy)]) == 2
    assert "add --resume" in capsys.readouterr().err
    assert main(["stability", "--overwrite", "--out", str(copy)]) == 2
    said = capsys.readouterr().err
    assert "has a study of random walks: choose another --out" in said
    assert tree(copy) == before


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["s/1"], "a part cannot be called 's/1'"),
        ([".s"], "a part cannot be called '.s'"),
        (["s1", "s2", "s1"], "two parts are called s1"),
    ],
)
def test_names_of_parts_are_those_of_files_and_differ(names, said, walks, tmp_path):
    config = sys.modules["experiments.walks"].Config(out=tmp_path / "new")
    parts = [record.Part(name, "walks", 1) for name in names]
    study = dataclasses.replace(registry.study("walks"), parts=lambda config: parts)
    with pytest.raises(ValueError, match=re.escape(said)):
        command.run(study, config)
    assert not config.out.exists()


def test_what_a_study_may_not_be_mixed_with(copy, tmp_path, capsys, monkeypatch):
    def never(*arguments):
        raise AssertionError("something is measured")

    monkeypatch.setattr(measure, "run", never)
    with jax.default_prng_impl("rbg"):
        for dry in ([], ["--dry-run"]):
            assert main([*WALKS, str(copy), "--resume", *dry]) == 2
            said = capsys.readouterr().err
            assert "jax_default_prng_impl was 'threefry2x32'" in said
    (tmp_path / "new" / "runs").mkdir(parents=True)
    assert main([*WALKS, str(tmp_path / "new")]) == 2
    assert "has training runs" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([*WALKS, str(tmp_path / "file" / "x")]) == 2
    assert "cannot write a study of random walks" in capsys.readouterr().err


def test_rows_of_a_dirty_checkout_say_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(provenance, "commit", lambda: "0123-dirty")
    assert main([*WALKS, str(tmp_path / "x")]) == 0
    out = capsys.readouterr().out
    assert out.index("warning: files differ from their commit") < out.index("steps2")
    assert "commit 0123-dirty" in (tmp_path / "x/tables.md").read_text("utf-8")


def test_list_finds_what_a_command_writes_by_default(copy, capsys, monkeypatch):
    copy.rename(copy.parent / "walks")
    monkeypatch.chdir(copy.parent)
    assert main(["list"]) == 0
    assert "walks: study of random walks, 3 parts" in capsys.readouterr().out


DAMAGE = {
    "truncated": damage.cut("steps4.csv", 0.3),
    "a row twice": damage.with_frame("steps4.csv", lambda x: x.iloc[[0, 0]]),
    "missing": damage.replaced("steps4.csv", damage.FILES["missing"]),
    "another part's": lambda out: shutil.copy(out / "steps2.csv", out / "steps4.csv"),
    "seconds": lambda out: with_seconds(out, float("nan")),
    "no seconds": lambda out: with_seconds(out, "abc"),
}


def with_seconds(out, seconds):
    content = json.loads((out / "walks.json").read_text())
    content["steps4"]["seconds"] = seconds
    (out / "walks.json").write_text(json.dumps(content))


@pytest.mark.parametrize("change", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_part_is_named_and_it_alone_is_measured_again(
    change, walks, copy, capsys
):
    change(copy)
    study = registry.study("walks")
    assert list(store.unfinished(study, copy, ["steps2", "steps4"])) == ["steps4"]
    assert main(["results", "--root", str(copy)]) == 2
    said = capsys.readouterr().err
    assert "steps4.csv" in said or "walks.json" in said
    assert main(["list", str(copy)]) == 0
    assert "  damaged   steps4 (" in capsys.readouterr().out
    assert main([*WALKS, str(copy), "--resume", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "  damaged: steps4 (" in said
    assert "to measure: 1 lengths; about " in said
    assert main([*WALKS, str(copy), "--resume"]) == 0
    assert "which is measured again" in capsys.readouterr().err
    for name in ("steps2.csv", "steps4.csv", "steps8.csv"):
        assert (copy / name).read_bytes() == (walks / name).read_bytes()


def test_an_entry_of_another_study_is_named(copy, capsys):
    content = json.loads((copy / "walks.json").read_text())
    content["mlp6-sgd-lm"] = content["steps2"]
    (copy / "walks.json").write_text(json.dumps(content))
    assert main(["list", str(copy)]) == 0
    assert "  damaged   mlp6-sgd-lm (" in capsys.readouterr().out
    assert main(["results", "--root", str(copy)]) == 2


@pytest.mark.parametrize("make", ["report", "results"])
def test_a_damaged_study_is_named_and_the_others_are_shown(
    walks, copy, tmp_path, capsys, make
):
    damaged = shutil.copytree(walks, tmp_path / "a damaged one")
    (damaged / "steps2.csv").write_bytes(b"")
    (copy / "tables.md").unlink()
    command_line = {
        "report": ["report", str(copy), str(damaged), "--out", str(tmp_path / "out")],
        "results": ["results", "--root", str(tmp_path)],
    }
    assert main(command_line[make]) == 2
    said = capsys.readouterr().err
    assert f"{damaged} does not contain" in said
    assert str(copy) not in said
    page = tmp_path / "out" / "report.html"
    made = copy / "tables.md" if make == "results" else page
    assert made.is_file()


def test_some_parts_first_and_a_spent_time_budget(walks, tmp_path):
    out = tmp_path / "x"
    assert main([*WALKS, str(out), "--time-budget", "1e-9"]) == 75
    # Nothing is lost when it starts anew, with whatever options.
    assert main([*WALKS, str(out), "--walks", "60", "--time-budget", "1e-9"]) == 75
    content = store.index(registry.study("walks"), out)
    assert not content.parts
    assert content.study["options"] == {"walks": 60}
    assert main([*WALKS, str(out), "--steps", "4"]) == 0
    assert [path.name for path in out.glob("*.csv")] == ["steps4.csv"]
    assert main([*WALKS, str(out), "--resume"]) == 0
    for path in walks.glob("*.csv"):
        assert (out / path.name).read_bytes() == path.read_bytes()
