"""The bar at the width of a narrow terminal, and the lines elsewhere."""

import dataclasses
import io

import pytest
from rich.console import Console

from experiments.machine.progress import Progress, progress
from experiments.runs.remaining import in_words, paces, seconds
from tests.helpers import CONFIG, make_run

RUN = "digits-simple_cnn-sgd-lm-s0-0123456789"


def shown(bar):
    # The console itself would draw the bar once more.
    paper = Console(width=60, file=io.StringIO(), color_system=None)
    for renderable in bar._bar.get_renderables():
        paper.print(renderable)
    return paper.file.getvalue().splitlines()


def test_the_bar_fits_sixty_columns_and_says_that_it_compiles():
    terminal = Console(
        width=60, file=io.StringIO(), force_terminal=True, color_system=None
    )
    with progress(console=terminal) as bar:
        bar.begin(RUN, 360)
        bar.compiling(True)
        (line,) = shown(bar)
        assert "compiling" in line
        bar.compiling(False)
        bar.advance(45)
        bar.line("[b]a line[/b]")
        (line,) = shown(bar)
        assert "compiling" not in line
        assert "45/360 steps" in line
        assert line.startswith("digits")
        assert len(line) <= 60
        bar.begin("parts", 10)
        bar.whole("3 s left")
        (line,) = shown(bar)
        assert "0/10" in line
        assert line.startswith("parts, 3 s left")
    assert "[b]a line[/b]" in terminal.file.getvalue()


def test_plain_lines_say_once_a_run_that_it_compiles(capsys):
    plain = Progress()
    plain.begin("one", 3)
    for now in (True, False, True, False):
        plain.compiling(now)
    plain.begin("two", 3)
    assert capsys.readouterr().out == "one: 3 steps\none: compiling\ntwo: 3 steps\n"


def test_a_process_that_shows_nothing_prints_nothing(capsys):
    with progress(shown=False) as silent:
        silent.begin("one", 3)
        silent.compiling(True)
        silent.advance()
        silent.line("a line")
    assert capsys.readouterr().out == ""


def test_the_pace_is_the_last_epoch_s_of_the_latest_run(tmp_path):
    runs = [make_run(tmp_path, "base", seed, 90.0) for seed in (0, 1)]
    for run, started, value in zip(runs, ("2026-02", "2026-01"), (3.0, 5.0)):
        run.meta["started"] = started
        run.epochs["seconds"] = [100.0, value]
    config, other = runs[0].config, dataclasses.replace(CONFIG, model="nn2")
    # An epoch has 45 steps; optimizer and seed make no difference.
    faster = dataclasses.replace(config, optimizer="adam", seed=7)
    expected = pytest.approx(2 * 3.0 + 3.0)
    assert seconds(paces(runs), {config: 90, faster: 45}) == expected
    assert seconds(paces(runs), {config: 90, other: 1}) is None
    assert seconds(paces([]), {config: 90}) is None


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (0.2, "about 1 s"),
        (75, "about 75 s"),
        (1500, "about 25 min"),
        (9000, "about 2.5 h"),
        (400_000, "about 4.6 days"),
    ],
)
def test_durations_in_words(duration, words):
    assert in_words(duration) == words
