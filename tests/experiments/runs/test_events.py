"""TensorBoard event files: of finished runs, and while a run goes."""

import dataclasses

import pytest

from experiments.commands.cli import main
from experiments.config import execution
from experiments.errors import UserError
from experiments.runs import events
from experiments.runs.run_directory import find_runs
from tests.helpers import PAIRS, make_run, small, written


class Writer:
    """Stands for tensorboardX's SummaryWriter: a file with a line a scalar."""

    made = 0

    def __init__(self, place):
        from pathlib import Path

        Writer.made += 1
        Path(place).mkdir(parents=True, exist_ok=True)
        self.path = Path(place) / f"events.out.tfevents.{Writer.made}"
        self.path.touch()
        self.lines = []

    def add_scalar(self, name, value, step):
        self.lines.append(f"{name} {step} {value:g}\n")

    def flush(self):
        with open(self.path, "a") as file:
            file.writelines(self.lines)
        self.lines.clear()

    def close(self):
        self.flush()


@pytest.fixture
def writer(monkeypatch):
    monkeypatch.setattr(events, "writer_class", lambda: Writer)


def rows(place):
    (path,) = place.iterdir()
    return path.read_text().splitlines()


def fails(error):
    raise error


def test_events_grow_with_a_run_and_end_as_those_of_the_whole(writer, tmp_path):
    run = make_run(tmp_path, "lm", 0, 90.0)
    events.write_events([run], tmp_path / "whole")
    whole = rows(tmp_path / "whole" / run.path.name)
    assert len(whole) == 3 * 90 + 2 * 2
    assert "test/accuracy 45 50" in whole
    assert "test/accuracy 90 90" in whole
    growing = events.Events(tmp_path / "growing", fails)
    first = run.steps["epoch"] == 1
    growing.begin(run.steps[first][:10], run.epochs[:0])  # resumed within an epoch
    assert len(rows(tmp_path / "growing")) == 30
    growing.add(run.steps[first][10:], run.epochs[:1])
    assert len(rows(tmp_path / "growing")) == 3 * 45 + 2
    growing.add(run.steps[~first], run.epochs[1:])
    assert sorted(rows(tmp_path / "growing")) == sorted(whole)
    growing.end()


def test_a_run_that_resumes_replaces_its_events(writer, tmp_path):
    run = make_run(tmp_path, "base", 0, 90.0)
    for _ in range(2):
        follower = events.Events(tmp_path / "events", fails)
        follower.begin(run.steps, run.epochs)
        follower.end()
        assert len(rows(tmp_path / "events")) == 90 + 4  # base has no c and no scale


def test_a_run_goes_on_without_events_that_cannot_be_written(writer, tmp_path):
    (tmp_path / "events").write_text("a file")
    said = []
    follower = events.Events(tmp_path / "events", said.append)
    run = make_run(tmp_path, "base", 0, 90.0)
    follower.begin(run.steps, run.epochs)
    follower.add(run.steps, run.epochs)
    follower.end()
    assert len(said) == 1
    with pytest.raises(UserError, match="cannot write event files"):
        events.write_events(
            [dataclasses.replace(run, path=tmp_path / "events")], tmp_path
        )


def test_a_command_without_tensorboardx_is_refused_first(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(execution, "find_spec", lambda name: None)
    argv = small("train", "--out", str(tmp_path / "out"), "--tensorboard", "tb")
    assert main(argv) == 2
    assert "--tensorboard needs tensorboardX" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_event_files_of_tensorboardx_are_replaced(tmp_path):
    pytest.importorskip("tensorboardX")
    written(tmp_path / "runs", PAIRS)
    runs = find_runs([tmp_path / "runs"])
    for _ in range(2):
        events.write_events(runs, tmp_path / "events")
        for run in runs:
            (one,) = (tmp_path / "events" / run.path.name).iterdir()
            one.rename(one.with_name(one.name + ".earlier"))  # of another second
