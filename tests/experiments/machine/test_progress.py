"""The bar at the width of a narrow terminal, and the lines elsewhere."""

import dataclasses
import io

import pandas as pd
import pytest
from rich.console import Console

from experiments.machine import progress
from experiments.runs.remaining import Pace, Remaining, in_words
from tests.helpers import CONFIG, make_run

RUN = "digits-simple_cnn-sgd-lm-s0-0123456789"


@pytest.fixture
def console():
    return Console(width=60, file=io.StringIO(), force_terminal=True, color_system=None)


def shown(console, bar):
    # The console itself would draw the bar once more.
    paper = Console(width=console.width, file=io.StringIO(), color_system=None)
    for renderable in bar._bar.get_renderables():
        paper.print(renderable)
    return paper.file.getvalue().splitlines()


def test_the_bar_fits_sixty_columns_and_says_that_it_compiles(console):
    with progress.bar(console) as bar:
        bar.begin(RUN, 360)
        bar.compiling(True)
        (line,) = shown(console, bar)
        assert "compiling" in line
        bar.compiling(False)
        bar.advance(45)
        bar.whole("3 of 12 runs left, about 25 min left")
        line, below = shown(console, bar)
        assert "compiling" not in line
        assert "45/360 steps" in line
        assert line.startswith("digits-simple")
        assert len(line) <= 60
        assert below == "3 of 12 runs left, about 25 min left"
        bar.begin(RUN, 10)
        assert "0/10" in shown(console, bar)[0]


def test_plain_lines_say_once_a_run_that_it_compiles(capsys):
    plain = progress.Plain()
    plain.begin("one", 3)
    for now in (True, False, True, False):
        plain.compiling(now)
    plain.begin("two", 3)
    assert capsys.readouterr().out == "one: 3 steps\none: compiling\ntwo: 3 steps\n"


def seconds(*values):
    return pd.DataFrame({"seconds": values})


def test_the_time_left_by_hand(tmp_path):
    configs = [make_run(tmp_path, "lm", seed, 90.0).config for seed in range(4)]
    remaining = Remaining()
    assert remaining.seconds(configs) is None
    remaining.starts(configs[0])
    remaining.begin(pd.DataFrame(), pd.DataFrame())
    assert remaining.seconds(configs) is None
    for epoch in (1, 2):
        # 12 steps in a second: of 4 runs of 2 epochs, 8 seconds less those done.
        remaining.add(pd.DataFrame({"epoch": [epoch] * 12}), seconds(1.0))
        assert remaining.seconds(configs) == pytest.approx(8 - epoch)
    assert remaining.seconds(configs[1:]) == pytest.approx(6)
    # Resumed within an epoch, all of whose seconds count.
    resumed = Remaining()
    resumed.starts(configs[0])
    resumed.begin(pd.DataFrame({"epoch": [1] * 6}), seconds(1.0))
    resumed.add(pd.DataFrame({"epoch": [1] * 6}), seconds(5.0))
    assert resumed.seconds(configs) is None
    resumed.add(pd.DataFrame({"epoch": [2] * 12}), seconds(1.0))
    assert resumed.seconds(configs) == pytest.approx(6)
    resumed.starts(configs[1])
    assert resumed.seconds(configs[1:]) == pytest.approx(6)
    assert resumed.seconds([dataclasses.replace(CONFIG, model="nn2")]) is None


def test_the_pace_is_the_last_epoch_s_of_the_latest_run(tmp_path):
    runs = [make_run(tmp_path, "base", seed, 90.0) for seed in (0, 1)]
    for run, started, seconds in zip(runs, ("2026-02", "2026-01"), (3.0, 5.0)):
        run.meta["started"] = started
        run.epochs["seconds"] = [100.0, seconds]
    config = runs[0].config
    assert Pace.of(runs).seconds(config, 90) == pytest.approx(2 * 3.0)
    assert Pace.of([]).seconds(config, 90) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "about 1 s"),
        (75, "about 75 s"),
        (1500, "about 25 min"),
        (9000, "about 2.5 h"),
        (400_000, "about 4.6 days"),
    ],
)
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words
