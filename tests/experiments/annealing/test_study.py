"""The annealing study: its problems, its statistics, its rows and tables."""

import math

import jax
import numpy as np
import pandas as pd
import pytest

from experiments.annealing import chapters, escape, search, tables
from experiments.annealing.problems import problem
from experiments.commands.cli import main

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
    key = jax.random.key(0)
    for method, share in (("langevin", None), ("improved", 0.5), ("improved", 0.0)):
        row = escape.escapes(method, share, 1.0, 0.4, sizes, key)
        assert row["escapes"] == 400
        exact = escape.exact_mean_time(share, barrier=1.0, temperature=0.4)
        # Four standard errors of 400 exponential times, and the step's own error.
        assert row["mean_time"] == pytest.approx(exact, rel=4 / math.sqrt(400) + 0.03)


def test_a_chain_that_crosses_no_barrier_is_stopped_in_time(monkeypatch):
    """After as many steps as it is given, to whole blocks."""
    anneal, steps = escape.annealing.anneal, []

    def counted(*arguments, **options):
        steps.append(options["steps"])
        return anneal(*arguments, **options)

    monkeypatch.setattr(escape.annealing, "anneal", counted)
    sizes = escape.Sizes(chains=2, most_steps=40, block=20)
    row = escape.escapes("langevin", None, 9.0, 0.01, sizes, jax.random.key(0))
    assert (row["escapes"], row["chains"]) == (0, 2)
    assert steps == [20, 20]


def test_quadrature_gives_kramers_rate_where_it_holds():
    # τ = 2π / √(U''(−1) |U''(0)|) · exp(E / T), to the top's other side (Kramers 1940).
    barrier, T = 2.0, 0.1
    kramers = 2 * math.pi / math.sqrt(8 * barrier * 4 * barrier) * math.exp(barrier / T)
    assert escape.exact_mean_time(None, barrier, T) == pytest.approx(kramers, rel=0.05)


def chains(tuning=0, **reached):
    """Rows of one problem: {method: evaluations of its chains, 0 for a failure}."""
    return pd.concat(
        pd.DataFrame(
            {
                "objective": "rastrigin",
                "dimension": 2,
                "method": method,
                "tuning": tuning,
                "chain": np.arange(len(evaluations)),
                "gap": np.where(np.array(evaluations) > 0, 0.1, 3.0),
                "evaluations": evaluations,
            }
        )
        for method, evaluations in reached.items()
    )


def test_summary_by_hand():
    """Eight tunings of ten chains: the plain one wins 2 to 3 of ten, ours 8 to 10."""
    plain = (2, 2, 2, 2, 3, 3, 3, 3)
    ours = (8, 9, 10, 9, 8, 9, 10, 9)
    table = tables.summarize(
        pd.concat(
            chains(
                tuning,
                langevin=[50] * first + [0] * (10 - first),
                improved=[20] * second + [0] * (10 - second),
            )
            for tuning, (first, second) in enumerate(zip(plain, ours))
        ),
        steps=100,
    ).set_index("method")
    before, after = table.loc["langevin"], table.loc["improved"]
    assert (before["successes"], before["n"]) == (20, 80)
    assert before["evaluations"] == (60 * 100 + 20 * 50) / 20
    assert (before["success"], before["worst"], before["best"]) == (0.25, 0.2, 0.3)
    d = (np.array(ours) - np.array(plain)) / 10
    half = 2.3646 * d.std(ddof=1) / math.sqrt(8)  # Student's, seven degrees of freedom
    assert after["less"] == pytest.approx(d.mean() - half, rel=1e-4)
    assert after["p"] == after["p_holm"] == 2 / 2**8  # the extreme of all sign patterns
    assert tables.verdict(after) == "better"
    assert tables.verdict(before) == ""


def test_many_chains_of_few_tunings_tell_nothing():
    """All 400 chains of ours win, half of the plain ones: two tunings, so p is 1/2."""
    table = tables.summarize(
        pd.concat(
            chains(i, langevin=[20] * 100 + [0] * 100, improved=[20] * 200)
            for i in (0, 1)
        ),
        steps=100,
    )
    assert tables.verdict(table.set_index("method").loc["improved"]) == "cannot tell"


def test_rates_within_five_points_are_equal():
    rng = np.random.default_rng(0)
    table = tables.summarize(
        pd.concat(
            chains(
                i,
                langevin=50 * rng.binomial(1, 0.5, 400),
                improved=50 * rng.binomial(1, 0.5, 400),
            )
            for i in range(24)
        ),
        steps=100,
    )
    assert tables.verdict(table.set_index("method").loc["improved"]) == "equal"


def test_no_success_is_said_so():
    table = tables.summarize(chains(langevin=[0] * 5, improved=[0] * 5), steps=100)
    assert np.isinf(table["evaluations"]).all()
    assert tables.verdict(table.iloc[1]) == "cannot tell"


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
        lambda path: path.write_bytes(b"picture"),
    )
    monkeypatch.setitem(chapters.DRAWINGS, "2.2", broken)
    assert main([*argv, "--resume"]) == 0  # 2.2 is there
    assert (tmp_path / "figure-2.1.png").read_bytes() == b"picture"
    assert main([*argv, "3.3"]) == 2
    assert "unknown figures 3.3: choose from 1.1" in capsys.readouterr().err
