"""The benchmarks' bookkeeping: what they count, sort and draw. Nothing is timed."""

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks import kinds, report
from benchmarks.__main__ import BENCHMARKS
from benchmarks.operations import operations_a_step
from benchmarks.profile_worker import shared
from benchmarks.side import Options
from experiments.cli import dispatch
from experiments.rundir import write_run
from tests.experiments.test_tables import make_run

ROWS = Path(__file__).resolve().parents[2] / "results" / "performance"


def benchmarks(*argv):
    return dispatch("python -m benchmarks", BENCHMARKS, argv)


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_every_benchmark_has_help(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        benchmarks(name, "--help")
    assert exit_.value.code == 0
    assert f"python -m benchmarks {name}" in capsys.readouterr().out


def test_operations_are_those_of_the_layers():
    # Convolutions: output pixels × outputs × kernel² × inputs; then the dense layers.
    convolutions = 28 * 28 * 6 * 25 * 3 + 10 * 10 * 16 * 25 * 6
    dense = 400 * 120 + 120 * 84 + 84 * 10
    assert operations_a_step("simple_cnn", 2) == 3 * 2 * 2 * (convolutions + dense)


PROGRAM = """\
HloModule jit_step, is_scheduled=true

%fused_computation (param_0: f32[8,4]) -> f32[4,8] {
  %param_0 = f32[8,4]{1,0} parameter(0)
  ROOT %transpose.1 = f32[4,8]{1,0} transpose(%param_0), dimensions={1,0}
}

%fused_computation.1 (param_0: f32[8]) -> f32[] {
  %param_0 = f32[8]{0} parameter(0)
  %add.3 = f32[8]{0} add(%param_0, %param_0)
  ROOT %reduce.2 = f32[] reduce(%add.3, %param_0), dimensions={0}, to_apply=%sum
}

ENTRY %main (a: f32[8,4], b: f32[4,8]) -> (f32[4,8], f32[]) {
  %a = f32[8,4]{1,0} parameter(0)
  %moved = f32[4,8]{1,0} fusion(%a), kind=kLoop, calls=%fused_computation
  %dot.7 = f32[8,8]{1,0} dot(%a, %moved), lhs_contracting_dims={1}
  %pair = (f32[8]{0}, f32[8]{0}) custom-call(%a), custom_call_target="__onednn$conv"
  %total = f32[] fusion(%dot.7), kind=kLoop, calls=%fused_computation.1
  %tanh.1 = f32[8,8]{1,0} tanh(%dot.7)
  ROOT %tuple = (f32[4,8]{1,0}, f32[]) tuple(%moved, %total)
}
"""


def test_instructions_are_sorted_by_their_kind():
    found = kinds.of_program(PROGRAM)
    entry = {name: found.get(name) for name in ("moved", "dot.7", "pair", "total")}
    assert entry == {
        "moved": kinds.COPY,
        "dot.7": kinds.PRODUCT,
        "pair": kinds.CONVOLUTION,
        "total": kinds.REDUCTION,
    }
    assert found["tanh.1"] == kinds.ELEMENTWISE
    assert "a" not in found
    assert "tuple" not in found


def test_a_compiled_program_is_read():
    import jax
    import jax.numpy as jnp

    compiled = jax.jit(lambda a: jnp.tanh(a @ a).sum()).lower(jnp.ones((8, 8)))
    found = kinds.of_program(compiled.compile().as_text()).values()
    assert {kinds.PRODUCT, kinds.REDUCTION} <= set(found)


def test_operators_are_sorted_by_their_kind():
    assert kinds.of_operator("aten::convolution_backward") == kinds.CONVOLUTION
    assert kinds.of_operator("aten::addmm") == kinds.PRODUCT
    assert kinds.of_operator("aten::native_batch_norm") == kinds.REDUCTION
    assert kinds.of_operator("aten::copy_") == kinds.COPY
    assert kinds.of_operator("aten::mul_") == kinds.ELEMENTWISE


def test_time_is_shared_where_operations_overlap():
    # Alone for 1, together for 2, alone for 3; then the second kind once more.
    spans = [("a", 0.0, 3.0), ("b", 1.0, 6.0), ("b", 8.0, 9.0)]
    assert shared(spans) == {"a": 2.0, "b": 5.0}


def test_pictures_are_drawn_from_the_rows_and_small(tmp_path):
    assert benchmarks("pictures", "--rows", str(ROWS), "--out", str(tmp_path)) == 0
    drawn = list(tmp_path.glob("*.png"))
    assert tmp_path / "speed.png" in drawn
    assert all(path.stat().st_size < 200_000 for path in drawn)


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


def test_precisions_are_compared_seed_by_seed(tmp_path, capsys):
    accuracy = {("float32", 0): 90.0, ("float32", 1): 80.0, ("bfloat16", 0): 91.0}
    for (precision, seed), value in accuracy.items():
        run = make_run(tmp_path, "lm", seed, value)
        config = dataclasses.replace(run.config, precision=precision)
        meta = {"commit": "abc", "versions": {}, "machine": {}}
        path = tmp_path / f"{precision}-{seed}"
        write_run(path, config, meta, run.result, run.steps, run.epochs)
    out = tmp_path / "rows.json"
    assert benchmarks("precision", str(tmp_path), "--out", str(out)) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert row["seeds"] == [0]
    assert row["difference_mean"] == 1.0


@pytest.mark.parametrize("author_loop", [False, True])
def test_our_side_trains_the_steps_that_it_says(author_loop, monkeypatch):
    from benchmarks import jax_side

    monkeypatch.setattr(jax_side, "product_flops", lambda device, prepare: 1e9)
    side = jax_side.make(Options("simple_cnn", 4, "float32", "cpu", False, author_loop))
    assert side.train(3) == (16 if author_loop else 3)
    assert side.about["operations_a_step"] == operations_a_step("simple_cnn", 4)


@pytest.mark.parametrize("vmap", [False, True])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_our_side_trains_several_runs_at_once(vmap, device, monkeypatch):
    from benchmarks import jax_side

    monkeypatch.setattr(jax_side, "product_flops", lambda device, prepare: 1e9)
    one = Options("simple_cnn", 4, "float32", device, False, False, runs=2, vmap=vmap)
    assert jax_side.make(one).train(1) == (1 if device == "cpu" else 32)


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


def test_the_sides_take_turns_and_memory_is_timed_after_each_block(
    monkeypatch, tmp_path, capsys
):
    from benchmarks import memory, training

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

    class Memory:
        def bytes_a_second(self):
            return float(len(turns))

    monkeypatch.setattr(training, "Worker", Worker)
    monkeypatch.setattr(training, "has_torch", lambda python: True)
    monkeypatch.setattr(memory, "Memory", Memory)
    out = tmp_path / "rows.json"
    options = ("--models", "nn2", "--processes", "1", "--blocks", "2")
    assert benchmarks("training", *options, "--out", str(out)) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert turns == ["jax", "torch", "torch", "jax"]
    assert row["jax"]["memory_bytes_a_second_after_blocks"] == [1, 4]
    assert row["torch"]["memory_bytes_a_second_after_blocks"] == [2, 3]
    assert row["jax"]["seconds_a_step_of_blocks"] == [2, 2]
    assert (row["speed_ratio"], row["jax"]["peak_mib"]) == (1.5, 7)
    assert "1.50× PyTorch" in capsys.readouterr().out


def test_memory_is_read_and_written_by_all_cores():
    from benchmarks.memory import Memory

    memory = Memory()
    assert memory.bytes_a_second() > 0
    assert all((arrays[2] == 2).all() for arrays in memory._arrays)


def test_on_an_accelerator_our_side_runs_many_steps_a_dispatch(monkeypatch):
    from benchmarks import jax_side

    monkeypatch.setattr(jax_side, "product_flops", lambda device, prepare: 1e9)
    side = jax_side.make(Options("simple_cnn", 4, "bfloat16", "cuda", False, False))
    assert side.train(3) == jax_side.STEPS_A_DISPATCH


@pytest.mark.torch
@pytest.mark.parametrize("author_loop", [False, True])
def test_pytorchs_side_trains_the_steps_that_it_says(author_loop, monkeypatch):
    pytest.importorskip("torch")
    from benchmarks import torch_side

    monkeypatch.setattr(torch_side, "product_flops", lambda device, prepare: 1e9)
    monkeypatch.setattr(torch_side, "LOADER_WORKERS", 0)
    options = Options("simple_cnn", 4, "float32", "cpu", False, author_loop)
    assert torch_side.make(options).train(3) == (16 if author_loop else 3)
