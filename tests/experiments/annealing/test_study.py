"""The annealing study: its problems, its statistics, its rows and tables."""

import math

import jax
import numpy as np
import pandas as pd
import pytest

from experiments.annealing import chapters, escape, rows, search, study, tables
from experiments.annealing.problems import problem
from experiments.commands.cli import main
from experiments.study import store

SIZES = search.Sizes(steps=40, chains=6, settings=2, records=4)


def test_the_target_lies_half_way_to_the_next_dent():
    # Rastrigin's next minima: U' = 2x + 20π sin 2πx = 0 near x = 1, by bisection.
    low, high = 0.9, 1.1
    for _ in range(60):
        x = (low + high) / 2
        low, high = (
            (x, high) if x + 10 * math.pi * math.sin(2 * math.pi * x) < 0 else (low, x)
        )
    dent = 10 + x * x - 10 * math.cos(2 * math.pi * x)
    assert problem("rastrigin", 2).tolerance == pytest.approx(dent / 2, rel=1e-3)
    # Styblinski–Tang's other root of 4x³ − 32x + 5, less the minimum's value.
    roots = np.sort(np.roots([4, 0, -32, 5]).real)
    values = (roots**4 - 16 * roots**2 + 5 * roots) / 2
    expected = (values[2] - values[0]) / 2
    assert problem("styblinski_tang", 10).tolerance == pytest.approx(expected, rel=1e-3)


def test_the_unit_box_holds_the_objective():
    p = problem("schwefel", 3)
    z = np.array([0.1, 0.5, 0.9], np.float32)
    x = -500 + 1000 * z
    np.testing.assert_allclose(p.scaled(2.0, z), p.objective(x) / 2, rtol=1e-6)


def test_methods_share_starts_settings_and_budget():
    p = problem("rastrigin", 2)
    settings = {method: search.draw(method, 0, 3) for method in search.ALL}
    assert settings["langevin"] == settings["improved"] == settings["descent"]
    assert settings["kinetic"] == settings["improved_kinetic"]
    key = jax.random.key(0)
    for method in search.ALL:
        gaps = search.trial(p, method, settings[method][0], key, SIZES)
        assert gaps.shape == (4, 6)
        assert (np.diff(gaps, axis=0) <= 0).all()
        assert (gaps >= -1e-4).all()
    few = search.Sizes(steps=1, chains=6, settings=1, records=1)
    still = search.Setting(unit=1.0, step_size=1e-12, initial=1e-9, final=0.1)
    starts = [search.trial(p, m, still, key, few) for m in ("langevin", "improved")]
    np.testing.assert_allclose(*starts, rtol=1e-3)


def test_mean_times_over_a_barrier_are_the_exact_ones():
    sizes = escape.Sizes(chains=400, most_steps=100_000, block=5_000)
    for method, share in (("langevin", None), ("improved", 0.5), ("improved", 0.0)):
        row = escape.escapes(method, share, barrier=1.0, temperature=0.4, sizes=sizes)
        assert row["escapes"] == 400
        exact = escape.exact_mean_time(share, barrier=1.0, temperature=0.4)
        # Four standard errors of 400 exponential times, and the step's own error.
        assert row["mean_time"] == pytest.approx(exact, rel=4 / math.sqrt(400) + 0.03)


@pytest.mark.parametrize("most", [30, 40])
def test_a_chain_that_crosses_no_barrier_is_stopped_in_time(most, monkeypatch):
    """After as many steps as it is given, to whole blocks."""
    anneal, steps = escape.annealing.anneal, []

    def counted(*arguments, **options):
        steps.append(options["steps"])
        return anneal(*arguments, **options)

    monkeypatch.setattr(escape.annealing, "anneal", counted)
    sizes = escape.Sizes(chains=2, most_steps=most, block=40 if most == 30 else 20)
    row = escape.escapes("langevin", None, barrier=9.0, temperature=0.01, sizes=sizes)
    assert (row["escapes"], row["chains"]) == (0, 2)
    assert sum(steps) == most


def test_quadrature_gives_kramers_rate_where_it_holds():
    # τ = 2π / √(U''(−1) |U''(0)|) · exp(E / T), to the top's other side (Kramers 1940).
    barrier, T = 2.0, 0.1
    kramers = 2 * math.pi / math.sqrt(8 * barrier * 4 * barrier) * math.exp(barrier / T)
    assert escape.exact_mean_time(None, barrier, T) == pytest.approx(kramers, rel=0.05)


def chains(**reached):
    """Rows of one problem: {method: evaluations of its chains, 0 for a failure}."""
    return pd.concat(
        pd.DataFrame(
            {
                "objective": "rastrigin",
                "dimension": 2,
                "method": method,
                "tuning": 0,
                "chain": np.arange(len(evaluations)),
                "gap": np.where(np.array(evaluations) > 0, 0.1, 3.0),
                "evaluations": evaluations,
            }
        )
        for method, evaluations in reached.items()
    )


def test_summary_by_hand():
    table = tables.summarize(
        chains(langevin=[0] * 8 + [50] * 2, improved=[20] * 9 + [0]), steps=100
    ).set_index("method")
    plain, ours = table.loc["langevin"], table.loc["improved"]
    assert (plain["successes"], plain["n"]) == (2, 10)
    assert plain["evaluations"] == (8 * 100 + 2 * 50) / 2
    assert ours["evaluations"] == (9 * 20 + 100) / 9
    # Eight chains reached it with the modification alone, one without it alone: the
    # exact two-sided sign test of 8 in 9.
    assert ours["p"] == pytest.approx(2 * (1 + 9) / 2**9)
    assert ours["p_holm"] == ours["p"]
    assert tables.verdict(ours) == "better (+70.0 points, p 0.039)"
    assert tables.verdict(plain) == ""


def test_a_difference_that_the_tunings_do_not_share_is_not_told():
    first = chains(langevin=[0] * 40, improved=[20] * 40)
    second = chains(langevin=[50] * 20, improved=[50] * 19 + [0]).assign(tuning=1)
    table = tables.summarize(pd.concat([first, second]), steps=100)
    row = table.set_index("method").loc["improved"]
    assert row["p_holm"] < 0.001
    assert tables.verdict(row).startswith("cannot tell (+65.0 points")
    assert "the tunings differ" in tables.verdict(row)


def test_no_success_is_said_so():
    table = tables.summarize(chains(langevin=[0] * 5, improved=[0] * 5), steps=100)
    assert np.isinf(table["evaluations"]).all()
    assert tables.verdict(table.iloc[1]).startswith("cannot tell")


def test_one_figure_that_fails_does_not_keep_the_others_from_it(
    tmp_path, capsys, monkeypatch
):
    def broken(path):
        raise RuntimeError("no such font")

    argv = ["figures", "--out", str(tmp_path), "--only", "2.1", "2.2"]
    monkeypatch.setitem(chapters.DRAWINGS, "2.1", broken)
    assert main(argv) == 2
    assert "figure-2.1.png: RuntimeError: no such font" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["figure-2.2.png"]
    monkeypatch.setitem(
        chapters.DRAWINGS,
        "2.1",
        lambda path: [path] if path.write_bytes(b"picture") else [],
    )
    monkeypatch.setitem(chapters.DRAWINGS, "2.2", broken)
    assert main([*argv, "--resume"]) == 0  # 2.2 is there
    assert (tmp_path / "figure-2.1.png").read_bytes() == b"picture"


def test_the_committed_study_has_one_choice_for_each_tuning():
    path = study.STUDY.committed
    of = rows.of(store.read(study.STUDY, path), store.index(study.STUDY, path))
    chosen = of.settings[of.settings["chosen"]]
    keys = [*rows.PROBLEM, "method", "tuning"]
    assert not chosen.duplicated(keys).any()
    assert len(chosen) == len(of.chains.drop_duplicates(keys))
