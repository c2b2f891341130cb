"""TensorBoard event files: of finished runs, and while a run is in progress."""

import pytest

from experiments.commands.cli import main
from experiments.config import execution
from experiments.errors import UserError
from experiments.runs import events
from tests.helpers import make_run, small


class Writer:
    """Stands for tensorboardX's SummaryWriter: a file with a line per scalar."""

    def __init__(self, place):
        from pathlib import Path

        Path(place).mkdir(parents=True, exist_ok=True)
        self.file = open(Path(place) / "events.out.tfevents.1", "a")  # noqa: SIM115

    def add_scalar(self, name, value, step):
        self.file.write(f"{name} {step} {value:g}\n")

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()


@pytest.fixture
def writer(monkeypatch):
    monkeypatch.setattr(events, "_writer_class", lambda: Writer)


def rows(place):
    (path,) = place.iterdir()
    return path.read_text().splitlines()


@pytest.mark.usefixtures("writer")
def test_events_grow_with_a_run_and_end_as_those_of_the_whole(tmp_path):
    run = make_run(tmp_path, "lm", 0, 90.0)
    for _ in range(2):  # the second replaces the first
        events.write_events([run], tmp_path / "whole")
        whole = rows(tmp_path / "whole" / run.path.name)
        assert len(whole) == 3 * 90 + 2 * 2
    assert "test/accuracy 45 50" in whole
    assert "test/accuracy 90 90" in whole
    growing = events.Events(tmp_path / "growing")
    first = run.steps["epoch"] == 1
    growing.add(run.steps[first][:10], run.epochs[:0])  # resumed within an epoch
    assert len(rows(tmp_path / "growing")) == 30
    growing.add(run.steps[first][10:], run.epochs[:1])
    assert len(rows(tmp_path / "growing")) == 3 * 45 + 2
    growing.add(run.steps[~first], run.epochs[1:])
    assert sorted(rows(tmp_path / "growing")) == sorted(whole)
    growing.close()
    base = make_run(tmp_path, "base", 0, 90.0)  # it has no c and no scale
    events.write_events([base], tmp_path / "whole")
    assert len(rows(tmp_path / "whole" / base.path.name)) == 90 + 4


@pytest.mark.usefixtures("writer")
def test_events_that_cannot_be_written_are_an_error_with_their_place(tmp_path):
    (tmp_path / "events").write_text("a file")
    run = make_run(tmp_path, "base", 0, 90.0)
    with pytest.raises(UserError, match=f"cannot write event files to {tmp_path}"):
        events.write_events([run], tmp_path / "events")


def test_a_command_without_tensorboardx_is_refused_first(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(execution, "find_spec", lambda name: None)
    argv = small("train", "--out", str(tmp_path / "out"), "--tensorboard", "tb")
    assert main(argv) == 2
    assert "--tensorboard needs tensorboardX" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_and_report_write_what_tensorboard_reads(tmp_path):
    pytest.importorskip("tensorboardX")
    out, place = tmp_path / "out", tmp_path / "events"
    argv = small("train", "--out", str(out), "--tensorboard", str(place))
    assert main(argv) == 0
    (run,) = (out / "runs").iterdir()
    for _ in range(2):
        report = ["report", str(out), "--out", str(tmp_path), "--tensorboard"]
        (file,) = (place / run.name).iterdir()
        assert b"test/accuracy" in file.read_bytes()
        assert main([*report, str(place)]) == 0
