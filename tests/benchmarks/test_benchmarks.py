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
from experiments.errors import UserError


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
        ("several --runs 0", "--runs must be greater than 0, got 0"),
        ("layers --calls -1", "--calls must be greater than 0, got -1"),
        ("annealing --chains 0", "--chains must be greater than 0, got 0"),
        ("overhead --pairs 0", "--pairs must be greater than 0, got 0"),
        ("startup --helps 0", "--helps must be greater than 0, got 0"),
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


@pytest.mark.parametrize("author_loop", [False, True])
def test_our_side_trains_the_steps_that_it_says(author_loop, monkeypatch):
    from benchmarks import jax_side

    monkeypatch.setattr(jax_side, "product_flops", lambda device, prepare: 1e9)
    side = jax_side.make(
        Options("simple_cnn", 4, "float32", "cpu", "eager", author_loop)
    )
    assert side.train(3) == (16 if author_loop else 3)
    assert side.about["operations_a_step"] == operations_a_step("simple_cnn", 4)


@pytest.mark.parametrize("vmap", [False, True])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_our_side_trains_several_runs_at_once(vmap, device, monkeypatch):
    from benchmarks import jax_side

    monkeypatch.setattr(jax_side, "product_flops", lambda device, prepare: 1e9)
    precision = "float32" if device == "cpu" else "bfloat16"
    one = Options("simple_cnn", 4, precision, device, "eager", False, runs=2, vmap=vmap)
    dispatched = 3 if device == "cpu" else jax_side.STEPS_A_DISPATCH
    assert jax_side.make(one).train(3) == dispatched


def test_ways_to_have_several_runs_are_measured_against_one_alone(
    monkeypatch, tmp_path, capsys
):
    from benchmarks import several

    # Seconds a block of all workers for one step of each; two runs at a time.
    taken = {"alone": 4.0, "processes": 5.0, "unrolled": 8.0, "vmap": 10.0}
    started = []

    class Worker:
        def __init__(self, python, framework, options):
            started.append(options)

        def wait(self):
            return {}

        def close(self):
            pass

    def block(workers, steps):
        one = started[-1]
        way = "processes" if one.jobs > 1 else "vmap" if one.vmap else "alone"
        return taken["unrolled" if (one.runs, one.vmap) == (2, False) else way], 100.0

    monkeypatch.setattr(several, "Worker", Worker)
    monkeypatch.setattr(several, "_block", block)
    out = tmp_path / "rows.json"
    assert benchmarks("several", "--models", "nn2", "--out", str(out)) == 0
    (row,) = json.loads(out.read_text())["rows"]
    speeds = {way: row[way]["speed"]["median"] for way in list(taken)[1:]}
    assert speeds == {"processes": 1.6, "unrolled": 1.0, "vmap": 0.8}
    assert {one.job for one in started if one.jobs == 2} == {0, 1}
    assert "processes 1.60×" in capsys.readouterr().out


def test_the_sides_take_turns(monkeypatch, tmp_path, capsys):
    from benchmarks import training

    turns = []

    class Worker:
        def __init__(self, python, framework, options):
            self.framework = framework
            self.blocks = 0

        def wait(self):
            self.blocks += 1
            if self.blocks == 1:
                return {
                    "operations_a_step": 6,
                    "product_flops": 12.0,
                    "compile_seconds": 1.0,
                }
            if self.blocks > 1 + training.WARM_BLOCKS:
                turns.append(self.framework)
            seconds = {"jax": 2.0, "torch": 3.0}[self.framework]
            return {"seconds": seconds, "steps": 1, "peak_mib": 7, "device_peak_mib": 0}

        def tell(self, steps):
            assert steps in (1, 2)

        def close(self):
            pass

    monkeypatch.setattr(training, "Worker", Worker)
    monkeypatch.setattr(training, "has_torch", lambda python: True)
    out = tmp_path / "rows.json"
    options = ("--models", "nn2", "--processes", "1", "--blocks", "2")
    assert benchmarks("training", *options, "--out", str(out)) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert turns == ["jax", "torch", "torch", "jax"]
    assert row["jax"]["seconds_a_step_of_blocks"] == [2, 2]
    assert (row["speed_ratio"], row["jax"]["peak_mib"]) == (1.5, 7)
    assert "1.50× PyTorch" in capsys.readouterr().out


@pytest.mark.torch
@pytest.mark.parametrize("author_loop", [False, True])
def test_pytorchs_side_trains_the_steps_that_it_says(author_loop, monkeypatch):
    pytest.importorskip("torch")
    from benchmarks import torch_side

    monkeypatch.setattr(torch_side, "product_flops", lambda device, prepare: 1e9)
    monkeypatch.setattr(torch_side, "LOADER_WORKERS", 0)
    options = Options("simple_cnn", 4, "float32", "cpu", "eager", author_loop)
    assert torch_side.make(options).train(3) == (16 if author_loop else 3)


def test_minutes_measure_in_order_and_say_what_is_late(monkeypatch, tmp_path, capsys):
    from benchmarks import budget

    clock, ended = [0.0], []
    taken = {"jax": 1.0, "eager": 3.0, "graphs": 2.0}

    class Worker:
        def __init__(self, python, framework, options):
            self.options = options
            self.name = "jax" if framework == "jax" else options.mode

        def wait(self):
            if not hasattr(self, "steps"):
                if self.name == "compile":
                    raise UserError("a worker ended early")
                about = {"compile_seconds": 4.0, "first_step_seconds": 1.0}
                if self.name == "jax":
                    about |= {"operations_a_step": 6, "product_flops": 12.0}
                    about |= {"bytes_a_step": 3, "bytes_a_second": 4.0}
                return about
            seconds = taken[self.name] / (2 if self.options.xla_flags else 1)
            clock[0] += 0.01
            return {"seconds": seconds * self.steps, "steps": self.steps}

        def tell(self, steps):
            self.steps = steps

        def end(self):
            ended.append((self.options.model, self.options.precision, self.name))

    monkeypatch.setattr(budget, "Worker", Worker)
    monkeypatch.setattr(budget.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr("benchmarks.training.has_torch", lambda python: True)
    out = tmp_path / "rows.json"
    argv = ["training", "--models", "nn2", "vgg16", "--minutes", "1"]
    argv += ["--xla-flags", "a=true", "--out", str(out)]
    assert benchmarks(*argv) == 0
    rows = json.loads(out.read_text())["rows"]
    assert [(row["model"], row["precision"]) for row in rows[::5]] == [
        ("nn2", "tensorfloat32"),
        ("vgg16", "tensorfloat32"),
        ("nn2", "bfloat16"),
        ("vgg16", "bfloat16"),
    ]
    first = {row["side"]: row for row in rows[:5]}
    assert list(first) == [
        "ours", "torch eager", "torch graphs", "torch compile", "ours a=true"
    ]  # fmt: skip
    assert first["torch eager"]["ours_faster"] == 3.0
    assert first["ours a=true"]["ours_faster"] == 0.5
    assert first["torch compile"]["late"]
    assert first["ours"]["share_of_product_rate"] == 0.5
    assert first["ours"]["share_of_memory_rate"] == 0.75
    assert len(set(ended)) == 4 * 4  # nothing is left running
    assert "ours is 3.00× as fast" in capsys.readouterr().out
