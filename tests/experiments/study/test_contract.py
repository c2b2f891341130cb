"""The contract of studies: every registered one, and the documentation's example."""

import itertools
import json
import os
import re
import shutil
import signal

import jax
import pytest

from experiments.commands.cli import main
from experiments.errors import UserError
from experiments.report import style
from experiments.runs import provenance
from experiments.study import measure, registry, store
from tests import damage
from tests.experiments.study.examples import EXAMPLES, at_reduced_scale
from tests.helpers import tree


@pytest.fixture(scope="module", autouse=True)
def registered(tmp_path_factory):
    with at_reduced_scale(tmp_path_factory.mktemp("example")):
        assert set(registry.STUDIES) == set(EXAMPLES), (
            "each study needs an Example in tests/experiments/study/examples.py"
        )
        yield


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
    """Only `whole` has pictures, and no test asks git."""
    monkeypatch.setattr(style.Drawing, "of", lambda *arguments: ())
    monkeypatch.setattr(provenance, "commit", lambda: None)


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def command(name, out, *more):
    return main([name, *EXAMPLES[name].argv, *more, "--out", str(out)])


def rows(name, out):
    return {file: (out / file).read_bytes() for _, file in files_of(name, out)}


def files_of(name, out):
    study = registry.study(name)
    parts = store.index(study, out).parts
    return [
        (part, table.file) for part in parts for table in study.tables(part).values()
    ]


def test_a_study_writes_rows_tables_pictures_and_a_log(name, whole):
    assert registry.study(name).index in {path.name for path in whole.iterdir()}
    assert len(store.read(registry.study(name), whole)) >= 1
    words = (whole / "tables.md").read_text(encoding="utf-8")
    assert str(whole) not in words
    assert list(whole.glob("*.png"))
    assert str(whole.name) in (whole / "log.txt").read_text(encoding="utf-8")
    left = {path.name for path in whole.iterdir() if path.name.startswith(".")}
    assert not left
    assert not (whole / store.PIECES).exists()


def test_tables_are_made_of_rows_alone(name, whole, copy):
    (copy / "tables.md").unlink()
    assert main(["results", "--root", str(copy)]) == 0
    assert (copy / "tables.md").read_bytes() == (whole / "tables.md").read_bytes()


def test_a_finished_study_has_nothing_left(name, copy, capsys):
    before = rows(name, copy)
    assert command(name, copy, "--resume", "--dry-run") == 0
    assert "nothing is left to measure" in capsys.readouterr().out
    assert command(name, copy, "--resume") == 0
    assert rows(name, copy) == before
    assert command(name, copy) == 2
    assert "add --resume" in capsys.readouterr().err
    assert command(name, copy, "--resume", "--overwrite") == 2
    assert command(name, copy, "--resume", "--time-budget", "0") == 2
    assert rows(name, copy) == before


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


@pytest.mark.parametrize("make", ["report", "results"])
def test_a_damaged_study_is_named_and_the_others_are_shown(
    name, whole, copy, tmp_path, capsys, make
):
    damaged = shutil.copytree(whole, copy.parent / "a damaged one")
    file = next(iter(rows(name, damaged)))
    (damaged / file).write_bytes(b"")
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


def test_list_finds_what_a_command_writes_by_default(
    name, whole, tmp_path, capsys, monkeypatch
):
    shutil.copytree(whole, tmp_path / registry.study(name).out)
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 0
    assert f"{registry.study(name).out}: {registry.study(name).name}" in (
        capsys.readouterr().out
    )


def never(*arguments):
    raise AssertionError("something is measured")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_other_options_are_refused_before_anything_is_measured(
    name, copy, capsys, monkeypatch, dry
):
    before = tree(copy)
    monkeypatch.setattr(measure, "run", never)
    option, *_ = other = EXAMPLES[name].other
    assert command(name, copy, "--resume", *other, *dry) == 2
    said = capsys.readouterr().err
    assert f"{option.replace('--no-', '--')} was " in said
    assert tree(copy) == before


def test_other_settings_of_jax_are_refused(name, copy, capsys, monkeypatch):
    monkeypatch.setattr(measure, "run", never)
    with jax.default_prng_impl("rbg"):
        assert command(name, copy, "--resume") == 2
        assert command(name, copy, "--resume", "--dry-run") == 2
    assert "jax_default_prng_impl was 'threefry2x32'" in capsys.readouterr().err


def test_a_directory_holds_one_study(name, copy, capsys):
    before = tree(copy)
    for other in set(EXAMPLES) - {name}:
        for more in ((), ("--resume",), ("--overwrite",)):
            assert command(other, copy, *more) == 2
            said = capsys.readouterr().err
            assert f"has a {registry.study(name).name}: choose another --out" in said
    assert tree(copy) == before


def test_training_runs_are_not_mixed_with_a_study(name, tmp_path, capsys):
    (tmp_path / "runs").mkdir()
    assert command(name, tmp_path) == 2
    assert "has training runs" in capsys.readouterr().err


DAMAGE = {
    "truncated": lambda file: damage.cut(file, 0.3),
    "without rows": lambda file: damage.with_frame(file, lambda rows: rows[:0]),
    "a row twice": lambda file: damage.with_frame(
        file, lambda rows: rows.iloc[[0, *range(len(rows))]]
    ),
    "missing": lambda file: damage.replaced(file, damage.FILES["missing"]),
}


def test_damaged_rows_are_named_and_only_they_are_measured_again(
    name, whole, copy, capsys
):
    """Every file once, and every kind of damage."""
    study, files = registry.study(name), files_of(name, whole)
    files += files[:1] * (len(DAMAGE) - 1)
    for (part, file), change in zip(files, itertools.cycle(DAMAGE.values())):
        change(file)(copy)
        with pytest.raises(UserError, match=file.rpartition("/")[2]):
            store.read(study, copy)
        assert list(store.unfinished(study, copy, store.index(study, copy).parts)) == [
            part
        ]
        assert main(["results", "--root", str(copy)]) == 2
        assert main(["list", str(copy)]) == 0
        assert f"  damaged   {part} (" in capsys.readouterr().out
        shutil.copy(whole / file, copy / file)


@pytest.mark.parametrize("seconds", ["abc", float("nan"), -1e9])
def test_a_damaged_entry_is_named(name, whole, copy, capsys, seconds):
    study = registry.study(name)
    content = json.loads((copy / study.index).read_text())
    part = list(store.index(study, copy).parts)[-1]
    content[part]["seconds"] = seconds
    (copy / study.index).write_text(json.dumps(content))
    assert main(["results", "--root", str(copy)]) == 2
    assert study.index in capsys.readouterr().err
    assert list(store.unfinished(study, copy, [part])) == [part]
    assert command(name, copy, "--resume", "--dry-run") == 0
    assert "nothing is left" not in capsys.readouterr().out
    content["no such part"] = content[part]
    (copy / study.index).write_text(json.dumps(content))
    assert main(["list", str(copy)]) == 0
    assert "damaged   no such part" in capsys.readouterr().out


def test_a_damaged_part_is_measured_again(name, whole, tmp_path, capsys):
    """Each part, in one go: what is measured again is what was measured."""
    out = shutil.copytree(whole, tmp_path / "copy")
    for _, file in files_of(name, whole):
        DAMAGE["truncated"](file)(out)
    assert command(name, out, "--resume") == 0
    assert "which is measured again" in capsys.readouterr().err
    assert rows(name, out) == rows(name, whole)


def test_some_parts_first(name, whole, tmp_path):
    fewer = EXAMPLES[name].fewer
    if fewer is None:
        pytest.skip("it has one part")
    assert command(name, tmp_path / "x", *fewer) == 0
    some = rows(name, tmp_path / "x")
    assert some.items() < rows(name, whole).items()
    assert command(name, tmp_path / "x", "--resume") == 0
    assert rows(name, tmp_path / "x") == rows(name, whole)


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


def test_a_spent_time_budget_measures_nothing(name, tmp_path):
    assert command(name, tmp_path / "x", "--time-budget", "1e-9") == 75
    assert not store.index(registry.study(name), tmp_path / "x").parts
    # Nothing is lost when it starts anew, with whatever options.
    other = EXAMPLES[name].other
    assert command(name, tmp_path / "x", "--time-budget", "1e-9", *other) == 75
    record = store.index(registry.study(name), tmp_path / "x").study
    option = other[0].removeprefix("--").removeprefix("no-").replace("-", "_")
    assert str(record["options"][option]) == (*other, "False")[1]


def test_a_directory_that_cannot_be_written_to_is_named_first(
    name, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(measure, "run", never)
    (tmp_path / "file").touch()
    assert command(name, tmp_path / "file" / "x") == 2
    assert f"cannot write a {registry.study(name).name}" in capsys.readouterr().err
