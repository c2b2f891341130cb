"""The study of spin systems: its problems, exact times, controls, rows and tables."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments.commands.cli import main
from experiments.spins import (
    analysis,
    problems,
    search,
    study,
    tables,
    tempering,
    tunnelling,
)
from experiments.study.record import Index
from landmod_jax import annealing
from landmod_jax.annealing import _noise
from landmod_jax.annealing._moves import uniforms
from tests.experiments.spins import numpy_loop
from tests.experiments.study.examples import at_reduced_scale

LANDSCAPES = tuple(tunnelling.LANDSCAPES)


def all_states(n):
    return np.array(list(itertools.product((-1, 1), repeat=n)), np.float32)


# --- tunnelling ---


@pytest.mark.parametrize("landscape", LANDSCAPES)
def test_exact_times_solve_the_matrix(landscape):
    case = tunnelling.Case(30, 0.8, landscape)
    P = tunnelling.transitions(case)
    np.testing.assert_allclose(P.sum(1), 1, rtol=1e-12)
    k = (case.target + 30) // 2
    expected = np.linalg.solve(np.eye(k) - P[:k, :k], np.ones(k))[0]
    assert tunnelling.exact_time(case) == pytest.approx(expected, rel=1e-6)


def test_the_matrix_is_that_of_all_spins():
    """Lumped from the chain on 2⁶ states, with its acceptance from the definition."""
    case = tunnelling.Case(6, 0.7, "linear, c at 1/2")
    states = all_states(6)
    H = tunnelling.heights(case)
    k = ((states.sum(1) + 6) // 2).astype(int)
    lumped = np.zeros((7, 7))
    for s, start in enumerate(k):
        for i in range(6):
            after = start - int(states[s, i])
            lumped[start, after] += min(1, np.exp(H[start] - H[after])) / 6
    lumped /= np.bincount(k)[:, None]
    matrix = tunnelling.transitions(case)
    off = ~np.eye(7, dtype=bool)
    np.testing.assert_allclose(lumped[off], matrix[off], atol=1e-12)


@pytest.mark.parametrize("landscape", ["plain", "bounded, c at 1/4"])
def test_measured_times_are_the_exact_ones(landscape):
    row = tunnelling.row(tunnelling.Case(10, 0.7, landscape), chains=400, seed=1)
    assert row["arrived"] == 400
    assert abs(row["mean"] - row["exact"]) < 3.5 * row["error"]


def measured(*samples):
    """A row per sample of times, as `tunnelling.row` makes it."""
    return pd.DataFrame(
        {
            "n": 10.0, "temperature": 0.5 + place, "landscape": "plain", "exact": 10.0,
            "mean": times.mean(), "error": times.std(ddof=1) / np.sqrt(len(times)),
            "arrived": len(times), "chains": len(times),
        }
        for place, times in enumerate(samples)
    )  # fmt: skip


def test_two_samples_are_pooled_as_one():
    first, second = (
        np.random.default_rng(i).exponential(10, n) for i, n in ((0, 300), (1, 900))
    )
    long = measured(first).assign(temperature=0.1, chains=0)
    pooled = analysis.pooled(
        pd.concat([long, measured(first)]), pd.concat([long, measured(second)])
    )
    together = measured(np.concatenate([first, second]))
    assert len(pooled) == 1
    for column in ("mean", "arrived", "chains", "temperature"):
        assert pooled[column].iloc[0] == pytest.approx(together[column].iloc[0])
    assert pooled["error"].iloc[0] == pytest.approx(together["error"].iloc[0], rel=0.02)


def test_agreement_by_hand():
    rows = measured(*[np.array([1.0, 2.0])] * 3)
    rows = rows.assign(error=2.0, mean=[10.0, 12.0, 4.0])  # z: 0, 1, −3
    fit = analysis.agreement(rows)
    assert (fit["n"], fit["within"], fit["farthest"]) == (3, 2, -3)
    assert fit["squares"] == pytest.approx(10)
    # Two or fewer of three, each with 0.9545; and chi-square's tables, 3 degrees.
    assert fit["few"] == pytest.approx(1 - 0.9544997**3, abs=1e-6)
    assert fit["large"] == pytest.approx(0.018566, abs=1e-6)


# --- problems ---


def test_enumeration_by_halves_is_enumeration():
    instance = problems.dense(10, 3)
    lowest = jax.vmap(instance.model)(jnp.asarray(all_states(10))).min()
    assert instance.target == pytest.approx(float(lowest), rel=1e-5)


def test_planted_energies_are_the_lowest():
    instance = problems.planted(10, 1)
    energies = jax.vmap(instance.model)(jnp.asarray(all_states(10)))
    assert instance.target == pytest.approx(float(energies.min()), abs=1e-5)
    small = problems.loops(3, 1)
    assert small.model.n == 27
    # Each state's energy is that of its loops, and planted is reached by tempering.
    trial = search.tempered(
        small, search.Setting(4.0, 0.4, 800, "linear 0.1"), chains=64, seed=0
    )
    assert trial.best.min() == pytest.approx(small.target, abs=1e-4)


def test_the_cut_of_an_instance():
    instance = problems.cut(10, 0)
    s = all_states(10)[37]
    across = (s[instance.pairs[:, 0]] != s[instance.pairs[:, 1]]).sum()
    assert float(instance.model(jnp.asarray(s))) == pytest.approx(-across)


# --- controls ---


def test_tempering_samples_each_temperature():
    """The lowest replica's law, against enumeration, by total variation."""
    model = problems.dense(6, 0).model
    T = np.geomspace(0.4, 2.0, tempering.REPLICAS)
    copies = 1500
    x = model.sample(jax.random.key(0), copies * tempering.REPLICAS)
    best = tempering.run(model, x, jax.random.key(1), jnp.asarray(T, jnp.float32), 40)
    assert best.shape == (copies,)
    lowest = jax.vmap(model)(jnp.asarray(all_states(6))).min()
    np.testing.assert_allclose(best.min(), lowest, rtol=1e-4)
    assert (np.asarray(best) >= float(lowest) - 1e-4).all()


def test_times_to_solution_by_hand():
    # One half is added to 49.5 of 100: p = 1/2, and 2⁻ᵏ = 1% at k = 6.64.
    assert search.to_solution(50, 100, 3.0) == pytest.approx(
        3 * np.log(0.01) / np.log(1 - 50.5 / 101)
    )
    assert search.to_solution(100, 100, 3.0) == 3.0


def test_matched_temperatures_are_those_that_lm_amounts_to():
    instance = problems.dense(10, 0)
    setting = search.Setting(1.0, 0.1, 8, "linear 0.1")
    table = search.amounts_to(instance, setting, chains=16, seed=0)
    assert (table >= search.cooling(setting)).all()
    path = search.annealed(
        instance, setting, 16, 0, records=search.RECORDS, f=search.SHAPES["linear 0.1"]
    ).path
    extra = 0.1 * np.asarray(path.value - path.c).mean(1)
    np.testing.assert_allclose(table, search.cooling(setting) + extra, rtol=1e-4)


@pytest.mark.parametrize(
    ("slope", "instance"), [(0.0, problems.loops(3, 0)), (1.0, problems.dense_of(12))]
)
def test_the_numpy_loop_visits_the_same_states(instance, slope):
    model, chains, steps = instance.model, 20, 200
    key = jax.random.key(4)
    x0 = model.sample(key, chains)
    words = _noise.words(key)
    uniform = np.concatenate(
        [
            uniforms(words, jnp.int32(first), 128, chains, jnp.float32)
            for first in (0, 128)
        ]
    )
    best_x, best = numpy_loop.numpy_loop(
        *numpy_loop.table(instance), np.asarray(x0.T, np.float32).copy(),
        lambda step: uniform[step], lambda step: 2.0, steps, slope,
    )  # fmt: skip
    result = annealing.metropolis(
        model, model.flips(), x0, key, steps=steps, temperature=2.0, records=0,
        f="linear" if slope else None,
    )  # fmt: skip
    np.testing.assert_array_equal(result.best_x.T, best_x)
    np.testing.assert_allclose(result.best_value, best, rtol=1e-4, atol=1e-4)


# --- rows and tables ---


def trials(counts):
    """Judged trials: of each method, its successes in 100 on each instance."""
    return pd.DataFrame(
        [
            {
                "family": "dense", "method": method, "stage": "judged",
                "instance": i, "first": 1.0, "last": 0.1, "sweeps": 10.0,
                "shape": "linear 0.1", "chains": 100.0, "successes": k, "seconds": 1.0,
            }
            for method, successes in counts.items()
            for i, k in enumerate(successes)
        ]
    )  # fmt: skip


def test_summary_by_hand():
    many, few = [60, 70, 80, 60, 70, 80, 65], [10, 12, 14, 10, 12, 14, 11]
    table = analysis.summary(trials({"plain": few, "lm": many})).set_index("method")
    expected = np.mean(
        [
            np.log(search.to_solution(a, 100, 10) / search.to_solution(b, 100, 10))
            for a, b in zip(many, few)
        ]
    )
    assert table.loc["lm", "ratio"] == pytest.approx(np.exp(expected))
    # All seven of one sign, two-sided.
    assert table.loc["lm", "p_value"] == pytest.approx(2**-6)
    assert np.isnan(table.loc["plain", "p_value"])
    assert "**faster**" in tables._ratio(table.reset_index().iloc[1], "")


def test_the_other_way_round_and_intervals_of_the_times():
    some = {"plain": [10, 12, 14, 10, 12], "lm": [60, 70, 80, 60, 70]}
    forth, back = (
        analysis.summary(trials(some), base).set_index("method")
        for base in ("plain", "lm")
    )
    assert back.loc["plain", "ratio"] == pytest.approx(1 / forth.loc["lm", "ratio"])
    assert back.loc["plain", "high"] == pytest.approx(1 / forth.loc["lm", "low"])
    assert np.isnan(back.loc["lm", "p_value"])
    # Student's interval of five logarithms: 2.776 is t(4) at 97.5%.
    logs = np.log([search.to_solution(k, 100, 10) for k in some["lm"]])
    half = 2.776445 * logs.std(ddof=1) / np.sqrt(5)
    row = forth.loc["lm"]
    np.testing.assert_allclose(
        np.log([row["time_low"], row["time"], row["time_high"]]),
        logs.mean() + half * np.array([-1, 0, 1]), rtol=1e-5,
    )  # fmt: skip


@pytest.mark.slow
def test_the_search_is_measured(tmp_path, monkeypatch):
    """In a family with known lowest energies, and one without."""
    some = {name: problems.families(True)[name] for name in ("loops", "cut")}
    monkeypatch.setattr(study, "families", lambda quick: some)
    argv = ["spins", "--quick", "--parts", "search", "--out", str(tmp_path)]
    with at_reduced_scale(tmp_path / "example"):
        assert main(argv) == 0
    words = (tmp_path / "tables.md").read_text(encoding="utf-8")
    assert "Metropolis at LM's temperature" in words
    assert "Not measured: tunnelling, tunnelling-again." in words
    assert (tmp_path / "search.png").stat().st_size > 5_000


def test_sizes_are_those_that_were_measured():
    """A study of the quick size names its own systems, and readable numbers."""
    rows = trials({"plain": [0, 100, 3], "lm": [100, 0, 3]})
    rows = rows[rows["instance"] < 2]
    rows = pd.concat([rows, rows.assign(stage="tuning")])
    about = {"command": "c", "versions": {}, "machine": {}, "commit": ""}
    index = Index({"options": {"quick": True}}, {"search": about}, {})
    words = study.STUDY.words({"search": {"search": rows}}, index)
    assert "### SK, n = 10 (enumerated" in words
    assert max(map(len, re.findall(r"[0-9.]+", words))) <= 7
    assert "e+" in words  # ratios over many orders of magnitude
