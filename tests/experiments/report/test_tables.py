"""Tables, sheets and pictures from run directories made by hand."""

import dataclasses
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.commands import present
from experiments.errors import UserError
from experiments.report import curves, groups, sheets, style, tables
from tests.helpers import make_run

ACCURACY = {"base": [83.0, 10.0, 84.5], "lm": [84.0, 85.0, 84.0]}
SEEDS = (0, 10, 100)


@pytest.fixture
def runs(tmp_path):
    return [
        make_run(tmp_path, arm, seed, ACCURACY[arm][i])
        for i, seed in enumerate(SEEDS)
        for arm in ("base", "lm")
    ]


def test_means_deviations_and_paired_differences_by_hand(runs):
    base, modified = tables.summarize(runs).to_dict("records")
    assert (base["arm"], modified["arm"]) == ("base", "lm")
    assert base["n"] == modified["n"] == modified["pairs"] == 3
    np.testing.assert_allclose(base["accuracy_mean"], 177.5 / 3)
    np.testing.assert_allclose(base["accuracy_sd"], statistics.stdev(ACCURACY["base"]))
    differences = [1.0, 75.0, -0.5]
    np.testing.assert_allclose(modified["difference"], statistics.mean(differences))
    half = 4.302653 * statistics.stdev(differences) / 3**0.5  # Student's t, 2 d.o.f.
    np.testing.assert_allclose(
        (modified["low"], modified["high"]),
        (statistics.mean(differences) - half, statistics.mean(differences) + half),
        rtol=1e-6,
    )
    # Of the eight sign patterns four are as far from zero: 1 and 75 of one sign.
    assert modified["p"] == modified["p_holm"] == 0.5
    assert (modified["apart_n"], modified["apart_difference"]) == (2, 0.25)
    assert modified["collapse_p"] == 1.0
    assert (base["collapsed"], modified["collapsed"]) == (1, 0)


@pytest.mark.parametrize("terminal", [True, False])
def test_80_columns_show_every_number_of_the_table(runs, monkeypatch, capsys, terminal):
    if terminal:  # as rich sees one
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    present.print_table(runs)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for whole in ("Average Test Accuracy", "59.17 ± 42.59", "-82.06 … +132.39"):
        assert f" {whole} " in shown


def test_only_the_seeds_of_both_arms_are_compared(runs):
    without = [run for run in runs if (run.config.arm, run.config.seed) != ("lm", 10)]
    modified = tables.summarize(without).iloc[1]
    assert modified["n"] == modified["pairs"] == 2
    np.testing.assert_allclose(modified["difference"], (1.0 - 0.5) / 2)


def test_the_table_has_the_form_of_figure_3_5(runs):
    text = tables.markdown(runs)
    assert (
        "| Optimizer | Settings | Average Last Loss | Average Test Accuracy |" in text
    )
    assert "| SGD | " in text
    assert "59.17 ± 42.59 | 1/3 |" in text
    assert "| SGD-LM | " in text
    assert "cannot tell (+25.17)" in text
    assert "n = 3 is too small to tell" in text
    assert text.startswith(
        "**simple_cnn on digits, 2 epochs, batches of 128, seeds 0, 10, 100**"
    )


def cells(runs):
    summary = tables.summarize(runs)
    rows = tables.cells(summary)
    return [dict(zip(tables.header(summary), row)) for row in rows]


VERDICT = "Did LM overperform?"


def test_one_arm_alone_has_no_verdict_and_one_seed_no_deviation(runs):
    ((name, _, loss, accuracy, *_, verdict, _, _, n),) = [
        tuple(row.values()) for row in cells(runs[:1])
    ]
    assert (name, verdict, n) == ("SGD", "", "1")
    assert "±" not in loss + accuracy


@pytest.mark.parametrize(
    ("seeds", "gain", "verdict"),
    [
        (1, -0.75, "cannot tell (-0.75)"),
        (5, -0.75, "cannot tell (-0.75)"),  # p = 2/32
        (6, -0.75, "NO (-0.75)"),  # p = 2/64
        (6, 0.5, "YES (+0.50)"),
    ],
)
def test_a_verdict_needs_six_pairs(seeds, gain, verdict, tmp_path):
    runs = [
        make_run(tmp_path, arm, seed, 90.0 + seed / 10 + better, optimizer="adam")
        for seed in range(seeds)
        for arm, better in (("base", 0.0), ("lm", gain))
    ]
    assert cells(runs)[1][VERDICT] == verdict


def changed(run, **values):
    return dataclasses.replace(run, config=dataclasses.replace(run.config, **values))


@pytest.mark.parametrize(
    ("field", "values", "words"),
    [
        ("eps", (1.0, 5.0), ("ε 1", "ε 5")),
        ("f", ("linear", "quadratic"), ("f linear", "f quadratic")),
        ("c", (None, 0.5), ("c running minimum", "c 0.5")),
        (
            "threshold",
            ("running_min", "smoothed_min(0.9)"),
            ("c running minimum", "c smoothed_min(0.9)"),
        ),
        ("learning_rate", (0.01, 0.1), ("lr 0.01", "lr 0.1")),
        ("momentum", (0.0, 0.9), ("momentum 0", "momentum 0.9")),
    ],
)
def test_other_settings_are_another_row_and_no_further_seeds(
    field, values, words, runs
):
    base, lm = runs[::2], runs[1::2]
    together = [*base, *lm, *(changed(run, **{field: values[1]}) for run in lm)]
    plain, first, second = tables.summarize(together).to_dict("records")
    assert plain["n"] == first["n"] == second["n"] == 3
    assert (plain["name"], first["name"], second["name"]) == (
        "SGD", f"SGD-LM ({words[0]})", f"SGD-LM ({words[1]})",
    )  # fmt: skip
    alone = tables.summarize(runs).to_dict("records")[1]
    assert first["differences"] == alone["differences"] == (1.0, 75.0, -0.5)
    assert words[1] in second["settings"]
    if field == "momentum":  # no plain run has it
        assert np.isnan(second["difference"])
        assert "no plain run with its momentum" in tables.markdown(together)
    else:
        assert second["differences"] == alone["differences"]
    said = "has a learning rate of 0.1, the plain optimizer" in tables.markdown(
        together
    )
    assert said == (field == "learning_rate")


def test_each_learning_rate_is_held_against_its_own_plain_run(runs):
    other = [
        dataclasses.replace(
            changed(run, learning_rate=0.1),
            result=run.result | {"test_accuracy": run.result["test_accuracy"] / 2},
        )
        for run in runs
    ]
    summary = tables.summarize([*runs, *other])
    assert list(summary["n"]) == [3] * 4
    differences = summary.set_index("name")["differences"]
    assert differences["SGD-LM (lr 0.01)"] == (1.0, 75.0, -0.5)
    assert differences["SGD-LM (lr 0.1)"] == (0.5, 37.5, -0.25)


def test_two_runs_of_one_row_and_seed_are_refused_by_name(runs):
    twin = changed(dataclasses.replace(runs[1], path=Path("twin")), clip_norm=0.5)
    with pytest.raises(UserError, match=f"{runs[1].path} and twin have the same"):
        tables.summarize([*runs, twin])


def test_only_runs_as_published_stand_beside_the_published_numbers(runs):
    ours = [changed(run, dataset="cifar10", model="vgg16") for run in runs]
    other = [changed(run, eps=5.0) for run in ours[1::2]]
    summary = tables.summarize([*ours, *other])
    assert list(summary["thesis_accuracy"].notna()) == [True, True, False]


def test_every_setting_is_part_of_a_table_or_of_a_row(runs):
    config = runs[1].config
    settings = dict(groups.row(config).settings)
    for field in dataclasses.fields(config):
        # A threshold stands in a row as its c.
        of_row = field.name in ("arm", "optimizer", "threshold", *settings)
        of_table = field.name in groups.TABLE
        of_other_arms = field.name in ("clip_norm", "warmup_steps", "step_cap")
        assert of_row + of_table + of_other_arms + (field.name == "seed") == 1


def test_the_title_says_what_is_scaled_down(runs):
    scaled = [
        dataclasses.replace(
            run, config=dataclasses.replace(run.config, limit_train=5000)
        )
        for run in runs
    ]
    assert tables.title(scaled).endswith("5,000 training images")


def test_the_five_sheets(runs, tmp_path):
    sheets.write_sheets(runs, tmp_path)
    report = pd.read_csv(tmp_path / "report.csv")
    assert report["Test Accuracy"].tolist() == [83.0, 84.0, 10.0, 85.0, 84.5, 84.0]
    np.testing.assert_allclose(report["Min Loss"][0], 2 / 90)
    loss = pd.read_csv(tmp_path / "report_loss.csv", index_col=0)
    assert loss.shape == (90, 6)
    np.testing.assert_allclose(loss.iloc[:, 0], runs[0].steps["loss"])
    averages = pd.read_csv(tmp_path / "report_avg_loss.csv", index_col=0)
    assert averages.shape == (4, 6)  # two complete windows of 20 in 45 steps, twice
    expected = [2 / np.arange(a, a + 20) for a in (1, 21, 46, 66)]
    np.testing.assert_allclose(
        averages.iloc[:, 0], [window.mean() for window in expected]
    )
    assert pd.read_csv(tmp_path / "report_accuracy.csv", index_col=0).shape == (2, 6)
    c = pd.read_csv(tmp_path / "report_c.csv", index_col=0)
    assert c.iloc[:, 0].isna().all()
    assert c.iloc[:, 1].notna().all()


def test_every_quantity_has_a_picture_whatever_the_user_s_settings(runs, tmp_path):
    import matplotlib

    with matplotlib.rc_context({"text.usetex": True, "savefig.format": "nothing"}):
        paths = curves.draw_curves(runs, tmp_path, "png", 2)
    names = [f"{name}-2.png" for name in curves.QUANTITIES]  # a study's second table
    assert [path.name for path in paths] == names
    assert all(path.stat().st_size > 5_000 for path in paths)
    with style.picture(tmp_path / "words.png") as axes:
        axes[0][0].set_title(style.words("$\\frac{$ costs 5 $\x1b"))


@pytest.mark.parametrize(
    "values", [[np.inf, np.nan, 0.0], [-1.0, 3e38, -np.inf], [np.nan] * 3]
)
def test_no_number_keeps_a_picture_from_being_drawn(values, runs, tmp_path):
    for name, value in zip(("loss", "c", "scale"), values):
        runs[1].steps[name] = value
        runs[2].steps.loc[50:, name] = value
    runs[1].result["average_last_loss"] = values[0]
    assert curves.draw_curves(runs[1 : 2 if values[2] != 0 else 3], tmp_path)
    assert "SGD-LM" in tables.markdown(runs)
    sheets.write_sheets(runs, tmp_path)


def test_values_that_are_not_finite_are_left_out(runs, tmp_path):
    runs[0].steps["loss"] = np.inf
    with style.picture(tmp_path / "x.png") as axes:
        curves.draw_quantity(axes[0][0], runs, "loss")
        assert all(np.isfinite(line.get_ydata()).all() for line in axes[0][0].lines)


def test_tables_and_sheets_are_there_before_a_picture_fails(
    runs, tmp_path, capsys, monkeypatch
):
    def fail(*args):
        raise RuntimeError("no font")

    monkeypatch.setattr(curves, "draw_quantity", fail)
    with pytest.raises(UserError, match=": RuntimeError: no font"):
        present.present(runs, tmp_path)
    assert "SGD-LM" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.html", "report.md", "report.csv", "report_loss.csv", "report_c.csv",
        "report_avg_loss.csv", "report_accuracy.csv",
    }  # fmt: skip
    assert "SGD-LM" in (tmp_path / "report.html").read_text("utf-8")


def test_nothing_finished_is_said(tmp_path, capsys):
    present.present([], tmp_path)
    assert "no run is finished yet" in capsys.readouterr().out
