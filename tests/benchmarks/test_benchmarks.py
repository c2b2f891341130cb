"""The benchmarks' bookkeeping: what they count and write. Nothing is timed."""

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.__main__ import BENCHMARKS
from benchmarks.operations import operations_a_step
from benchmarks.side import Options
from benchmarks.timing import in_turns
from experiments.commands.cli import dispatch


def benchmarks(*argv):
    return dispatch("python -m benchmarks", BENCHMARKS, argv)


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_every_benchmark_has_help(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        benchmarks(name, "--help")
    assert exit_.value.code == 0
    assert f"python -m benchmarks {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("training --blocks 0", "--blocks must be greater than 0, got 0"),
        ("training --seconds -1", "--seconds must be greater than 0, got -1"),
        ("overhead --pairs 0", "--pairs must be greater than 0, got 0"),
        ("training --models nn3", "unknown model 'nn3'"),
        ("program --model nn3", "unknown model 'nn3'"),
        ("overhead --out file/x.json", "cannot write the figures to file/x.json: "),
        ("overhead --out .", "cannot write the figures to .: it is a directory"),
    ],
)
def test_bad_options_are_named_first(argv, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert benchmarks(*argv.split()) == 2
    assert message in capsys.readouterr().err


def test_operations_are_those_of_the_layers():
    # Convolutions: output pixels × outputs × kernel² × inputs; then the dense layers.
    convolutions = 28 * 28 * 6 * 25 * 3 + 10 * 10 * 16 * 25 * 6
    dense = 400 * 120 + 120 * 84 + 84 * 10
    assert operations_a_step("simple_cnn", 2) == 3 * 2 * 2 * (convolutions + dense)


def test_sides_are_called_in_turns_and_the_first_rounds_left_out(monkeypatch):
    from benchmarks import timing

    calls, clock = [], [0.0]

    def side(name, seconds):
        def call():
            calls.append(name)
            clock[0] += seconds

        return call

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    seconds = in_turns({"a": side("a", 1.0), "b": side("b", 2.0)}, 2, warm=1)
    assert "".join(calls) == "abbaab"
    assert seconds == {"a": [1.0, 1.0], "b": [2.0, 2.0]}


def test_figures_are_written_without_places(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Config:
        blocks: int
        python: Path
        runs: tuple[Path, ...]
        out: Path

    home = Path("/home/me")
    config = Config(
        3, home / "bin/python", (home / "runs",), tmp_path / "rows" / "x.json"
    )
    report.write(config.out, config, [{"model": "nn2"}], machine={"cores": 2})
    written = json.loads(config.out.read_text())
    assert written["settings"] == {"blocks": 3}
    assert written["rows"] == [{"model": "nn2"}]
    assert written["machine"] == {"cores": 2}


@pytest.mark.parametrize(
    ("device", "precision"), [("cpu", "float32"), ("cuda", "bfloat16")]
)
def test_our_side_trains_the_steps_that_it_says(device, precision, monkeypatch):
    from benchmarks import jax_side

    monkeypatch.setattr(jax_side, "product_flops", lambda device, prepare: 1e9)
    side = jax_side.make(Options("simple_cnn", 4, precision, device))
    assert side.train(3) == (3 if device == "cpu" else jax_side.STEPS_A_DISPATCH)
    assert side.about["operations_a_step"] == operations_a_step("simple_cnn", 4)


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["eager", "compile"])
def test_pytorchs_side_trains_the_steps_that_it_says(mode, monkeypatch):
    torch = pytest.importorskip("torch")
    from benchmarks import torch_side

    monkeypatch.setattr(torch_side, "product_flops", lambda device, prepare: 1e9)
    monkeypatch.setattr(torch, "compile", lambda net, mode: net)  # takes a minute
    side = torch_side.make(Options("simple_cnn", 4, "float32", "cpu", mode))
    assert side.train(3) == 3
    assert side.about["mode"] == mode


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_sides_take_turns(device, monkeypatch, tmp_path, capsys):
    from benchmarks import training

    events = []
    seconds = {"jax": 2.0, "eager": 3.0, "graphs": 1.0}

    class Worker:
        def __init__(self, python, framework, options):
            self.name = "jax" if framework == "jax" else options.mode
            self.blocks = 0
            events.append(f"start {self.name}")

        def wait(self):
            events.append(f"ready {self.name}")
            about = {"compile_seconds": 1.0, "product_flops": 12.0, "mode": self.name}
            if self.name == "jax":
                about |= {"operations_a_step": 6}
                about |= {"bytes_a_step": 3, "bytes_a_second": 4.0}
            return about

        def train(self, steps):
            assert steps in (1, 2, 3)
            self.blocks += 1
            if self.blocks > training.WARM_BLOCKS:
                events.append(self.name)
            spent = seconds[self.name] * steps
            figures = {"peak_mib": 7, "device_peak_mib": 0}
            return {"seconds": spent, "steps": steps, **figures}

        def close(self):
            events.append(f"close {self.name}")

    monkeypatch.setattr(training, "Worker", Worker)
    monkeypatch.setattr(training, "has_torch", lambda python: True)
    out = tmp_path / "rows.json"
    options = ("--models", "nn2", "--processes", "1", "--blocks", "2")
    options += ("--modes", "eager", "graphs", "--device", device)
    assert benchmarks("training", *options, "--out", str(out)) == 0
    sides = list(seconds)
    one_by_one = [f"{what} {side}" for side in sides for what in ("start", "ready")]
    at_once = [f"{what} {side}" for what in ("start", "ready") for side in sides]
    assert events[:6] == (one_by_one if device == "cpu" else at_once)
    assert events[6:12] == [*sides, *reversed(sides)]
    assert events[12:] == [f"close {side}" for side in sides]
    eager, graphs = json.loads(out.read_text())["rows"]
    assert eager["jax"]["seconds_a_step_of_blocks"] == [2, 2]
    assert (eager["speed_ratio"], eager["torch"]["mode"]) == (1.5, "eager")
    assert (graphs["speed_ratio"], graphs["torch"]["mode"]) == (0.5, "graphs")
    assert eager["jax"]["share_of_product_rate"] == 6 / 2 / 12
    assert eager["jax"]["share_of_memory_rate"] == 3 / 2 / 4
    said = capsys.readouterr().out
    assert "1.50× PyTorch" in said
    assert "38% of the memory rate" in said


def test_without_torch_our_side_alone_is_measured(monkeypatch, capsys):
    from benchmarks import training

    row = {"model": "nn2", "batch": 1, "precision": "float32"}
    monkeypatch.setattr(training, "has_torch", lambda python: False)
    monkeypatch.setattr(training, "line", lambda row: "a line")
    asked = []
    monkeypatch.setattr(
        training, "measure", lambda config, *of: asked.append(of) or [row]
    )
    assert benchmarks("training", "--models", "nn2") == 0
    assert asked == [("nn2", "float32", ())]
    assert "only our side is measured" in capsys.readouterr().out
