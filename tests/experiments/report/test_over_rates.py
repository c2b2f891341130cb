"""Sensitivity to the learning rate, and time to an accuracy, against what is known."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from experiments.commands import compare
from experiments.config.asked import Asked
from experiments.report import groups, over_rates, statistics, tables
from tests.helpers import make_run

# Mean accuracies by arm and rate that follow from these, per seed.
BY_RATE = {
    ("base", 0.01): (80.0, 84.0),
    ("base", 0.03): (90.0, 92.0),
    ("base", 0.1): (10.0, 50.0),
    ("lm", 0.01): (80.0, 82.0),
    ("lm", 0.03): (91.0, 92.0),
    ("lm", 0.1): (85.0, 86.0),
}
SPREAD = {"base": 91.0 - 30.0, "lm": 91.5 - 81.0}


def at_rates(path, by_rate):
    runs = []
    for (arm, rate), accuracies in by_rate.items():
        for seed, accuracy in enumerate(accuracies):
            run = make_run(path, arm, seed, accuracy)
            config = dataclasses.replace(run.config, learning_rate=rate)
            runs.append(dataclasses.replace(run, config=config))
    return runs


def with_tests(run, *accuracies):
    """The run with these test accuracies, after epochs of 45 steps."""
    n = len(accuracies)
    step = np.arange(1, 45 * n + 1)
    steps = pd.DataFrame({"step": step, "epoch": (step - 1) // 45 + 1, "loss": 1.0})
    epochs = pd.DataFrame(
        {"epoch": np.arange(1, n + 1), "test_accuracy": accuracies, "seconds": 1.0}
    )
    return dataclasses.replace(run, steps=steps, epochs=epochs)


def test_the_spread_is_of_means_over_the_rates(tmp_path):
    runs = at_rates(tmp_path, BY_RATE)
    spreads = over_rates.spreads(groups.by_row(runs))
    assert len(spreads) == 6
    for row, spread in spreads.items():
        assert spread == pytest.approx(SPREAD[row.arm])
    summary = tables.summarize(runs)
    column = tables.header(summary).index("Spread over rates")
    assert [row[column] for row in tables.cells(summary)] == ["61.00"] * 3 + [
        "10.50"
    ] * 3
    assert "the best minus the worst mean test accuracy" in tables.markdown(runs)


def test_only_seeds_that_all_rates_have_count(tmp_path):
    runs = at_rates(tmp_path, BY_RATE)
    few = [
        run
        for run in runs
        if (run.config.arm, run.config.learning_rate, run.config.seed)
        != ("base", 0.1, 0)
    ]
    spreads = over_rates.spreads(groups.by_row(few))
    assert {spreads[row] for row in spreads if row.arm == "base"} == {92.0 - 50.0}
    none = [r for r in few if (r.config.learning_rate, r.config.seed) != (0.01, 1)]
    spreads = over_rates.spreads(groups.by_row(none))
    assert all(math.isnan(spreads[row]) for row in spreads if row.arm == "base")


def test_an_arm_at_one_rate_has_no_spread(tmp_path):
    one = {key: accuracy for key, accuracy in BY_RATE.items() if key[1] == 0.03}
    runs = at_rates(tmp_path, one)
    assert over_rates.spreads(groups.by_row(runs)) == {}
    assert "Spread over rates" not in tables.markdown(runs)
    # A rate chosen for each arm is no grid of one of them.
    chosen = {("base", 0.01): (80.0, 81.0), ("lm", 0.1): (80.0, 81.0)}
    assert over_rates.spreads(groups.by_row(at_rates(tmp_path, chosen))) == {}


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        (((50, 80, 90),), "2 (90 steps)"),
        (((80, 10, 10),), "1 (45 steps)"),  # once reached, it was reached
        (((50, 79.99, 79),), "not reached"),
        (((85, 1, 1), (1, 85, 1), (1, 1, 85)), "2 (90 steps)"),
        (((85, 1, 1), (1, 85, 1)), "1.5 (67.5 steps)"),
        (((85, 1, 1), (1, 85, 1), (1, 1, 1)), "2 (90 steps), not reached 1/3"),
        (((85, 1, 1), (1, 1, 1)), "not reached 1/2"),
        (((85, 1, 1), (1, 1, 1), (1, 1, 1)), "not reached 2/3"),
        (((1, 1, 1), (1, 1, 1)), "not reached"),
    ],
)
def test_epochs_and_steps_to_a_target(tests, words, tmp_path):
    runs = [
        with_tests(make_run(tmp_path, "lm", seed, 50.0), *accuracies)
        for seed, accuracies in enumerate(tests)
    ]
    reached = over_rates.reached(runs, 80.0)
    assert over_rates.in_words(reached, len(runs)) == words


def test_a_target_is_a_column(tmp_path):
    runs = at_rates(tmp_path, {("base", 0.01): (90.0, 70.0), ("lm", 0.01): (95.0, 91)})
    asked = Asked(target=90.0)
    summary = tables.summarize(runs, asked)
    column = tables.header(summary, asked).index("Epochs to 90%")
    shown = [row[column] for row in tables.cells(summary)]
    # Tests after two epochs of 45 steps: the first at 50%.
    assert shown == ["not reached 1/2", "2 (90 steps)"]
    assert "counts as infinitely late" in tables.markdown(runs, asked)
    assert "Epochs to" not in tables.markdown(runs)


@pytest.mark.parametrize("difference", [0.5, 1.0, 3.0])
def test_every_table_says_how_many_pairs_a_difference_takes(difference, tmp_path):
    gains = np.array([0.5, 1.5, -0.5, 2.5])
    runs = [
        make_run(tmp_path, arm, seed, 80.0 + (gain if arm == "lm" else 0.0))
        for seed, gain in enumerate(gains)
        for arm in ("base", "lm")
    ]
    asked = Asked(difference=difference)
    summary = tables.summarize(runs, asked)
    points = "1 point" if difference == 1 else f"{difference:g} points"
    column = tables.header(summary, asked).index(f"Pairs to detect {points}")
    base, lm = (row[column] for row in tables.cells(summary))
    expected = statistics.pairs_needed(np.std(gains, ddof=1), difference)
    assert (base, lm) == ("", str(expected))
    # Two-sided t test at 5%, power 80%: about (1.96 + 0.84)² (sd / difference)² + 2.
    rough = (1.959964 + 0.841621) ** 2 * (np.std(gains, ddof=1) / difference) ** 2
    assert rough <= expected <= rough + 4
    assert f"Pairs to detect {points}" in tables.markdown(runs, asked)


def test_a_single_pair_says_nothing_of_pairs(tmp_path):
    runs = [make_run(tmp_path, arm, 0, 80.0) for arm in ("base", "lm")]
    summary = tables.summarize(runs)
    column = tables.header(summary).index("Pairs to detect 1 point")
    assert [row[column] for row in tables.cells(summary)] == ["", ""]


def test_a_grid_is_every_arm_and_seed_at_every_rate():
    config = compare.Config(lr_grid=(0.01, 0.3), seeds=(0, 1), arms=("base", "lm"))
    config.check()
    runs = config.over_rates()
    assert len(set(runs)) == len(runs) == 8
    assert {run.learning_rate for run in runs} == {0.01, 0.3}
    # A rate's runs are those of a compare at that rate alone.
    alone = compare.Config(learning_rate=0.3, seeds=(0, 1), arms=("base", "lm"))
    assert {run.run_id for run in alone.over_rates()} <= {run.run_id for run in runs}
    plain = compare.Config(seeds=(0, 1), arms=("base", "lm"))
    assert plain.over_rates() == plain.runs("digits", "simple_cnn", "sgd")
