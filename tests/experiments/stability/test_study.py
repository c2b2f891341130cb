"""The command's options, and what is particular to its rows."""

import numpy as np
import pytest

from experiments.commands.cli import main
from experiments.stability import options, program
from experiments.stability.study import STUDY, frames, joined
from experiments.study import document, store

RATES = (0.02, 0.06)
SEEDS = (6000, 6001)


def of_case(arm, steps=25):
    """The tables of a case, from made-up runs."""
    losses = np.full((2, 2, steps), 0.5)
    scales = losses if arm == "lm" else None
    outcome = program.Outcome(
        np.full((2, 2), 90.0), np.full((2, 2), 91.0), losses, scales
    )
    return frames(outcome, SEEDS, RATES)


@pytest.fixture
def rows():
    return {f"mlp6-sgd-{arm}": of_case(arm) for arm in ("base", "lm", "clip")}


def test_rows_and_curves(rows):
    runs, curves = joined(rows, "rows"), joined(rows, "curves")
    assert len(runs) == 3 * 2 * 2
    assert set(runs["seed"]) == {*SEEDS}
    assert curves[curves["arm"] == "lm"]["scale"].notna().all()
    assert curves[curves["arm"] == "base"]["scale"].isna().all()
    assert sorted(set(curves["step"])) == [10, 20]


def without(of_case, rows):
    return {table: frame[rows(frame)] for table, frame in of_case.items()}


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda frame: frame["seed"] == 6000, "mlp6 with sgd differ in their seeds"),
        (
            lambda frame: (frame["seed"] == 6000) | (frame["rate"] > 0.05),
            "mlp6-sgd-lm lacks a seed at a learning rate",
        ),
    ],
)
def test_arms_that_are_not_paired_are_refused(rows, keep, message):
    STUDY.check(rows)
    with pytest.raises(ValueError, match=message):
        STUDY.check(rows | {"mlp6-sgd-lm": without(rows["mlp6-sgd-lm"], keep)})


@pytest.mark.parametrize(
    ("column", "value"),
    [("test_accuracy", float("nan")), ("collapsed", 2), ("collapse_step", -2),
     ("rate", 0.0)],
)  # fmt: skip
def test_rows_out_of_range_are_refused(rows, column, value):
    table = STUDY.tables("mlp6-sgd-lm")["rows"]
    frame = rows["mlp6-sgd-lm"]["rows"].astype({column: float})
    store.check(table, frame)
    frame.loc[3, column] = value
    with pytest.raises(ValueError, match=f"line 5: {column} is .*, not a "):
        store.check(table, frame)


def test_data_that_are_missing_are_named_before_the_first_case(
    tmp_path, capsys, monkeypatch
):
    plan = tuple((task, ("sgd",), ("base",)) for task in ("mlp6", "cifar10"))
    monkeypatch.setattr(options, "PLAN", plan)
    monkeypatch.setattr(program, "run", None)  # no case may start
    argv = ["stability", "--tasks", "mlp6", "cifar10", "--seeds", "1"]
    argv += ["--cache-dir", str(tmp_path), "--data-dir", str(tmp_path / "nowhere")]
    assert main([*argv, "--out", str(tmp_path / "x")]) == 2
    assert f"--data-dir {tmp_path / 'nowhere'} is not" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_quick_is_a_small_part():
    quick = options.Config(quick=True)
    case = quick.cases()[0]
    assert len(quick.cases()) == 8
    assert len(quick.seed_numbers()) == 8
    assert len(quick.rates(case)) == 10
    assert len(options.Config(quick=True, seeds=20).seed_numbers()) == 20


def test_sections_of_several_studies_have_titles_of_their_own(tmp_path, rows):
    paths = [tmp_path / "study", tmp_path / "<other>"]
    sections = document.sections(dict.fromkeys(paths, (STUDY, rows)))
    assert sections[0]["title"].endswith("with 2 paired seeds (study)")
    assert sections[1]["title"].endswith("with 2 paired seeds (<other>)")
    twins = [tmp_path / "a" / "study", tmp_path / "b" / "study"]
    first, second = document.sections(dict.fromkeys(twins, (STUDY, rows)))
    assert first["title"] != second["title"]


def test_an_unknown_case_is_none():
    for name in ("mlp6-sgd", "mlp6-sgd-lm-2", "mlp6-sgd-nothing", "../x"):
        with pytest.raises(ValueError, match="unknown case"):
            options.Case.named(name)
