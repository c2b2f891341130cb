"""The count of a compiled program's kernels, on one small enough to count by hand."""

import pytest

from benchmarks import program
from benchmarks.__main__ import BENCHMARKS
from experiments.commands.cli import dispatch

PROGRAM = """HloModule jit_steps, is_scheduled=true

%fused (p.1: f32[4,8]) -> f32[4,8] {
  %p.1 = f32[4,8]{1,0} parameter(0)
  ROOT %n.1 = f32[4,8]{1,0} negate(%p.1)
}

%body (arg: (s32[], f32[4,8], bf16[8,2])) -> (s32[], f32[4,8], bf16[8,2]) {
  %arg = (s32[], f32[4,8]{1,0}, bf16[8,2]{1,0}) parameter(0)
  %x = f32[4,8]{1,0} get-tuple-element(%arg), index=1
  %w = bf16[8,2]{1,0} get-tuple-element(%arg), index=2, metadata={op_name="a(b), c"}
  %loop_fusion = f32[4,8]{1,0} fusion(%x), kind=kLoop, calls=%fused
  %other_fusion = (f32[4,8]{1,0}, pred[4]{0}) fusion(%x, %loop_fusion), kind=kLoop
  %cublas.1 = (f32[4,2]{1,0}, s8[99]{0}) custom-call(%x, %w), custom_call_target="mm"
  %part = f32[4,2]{1,0} get-tuple-element(%cublas.1), index=0
  %copy.1 = f32[4,2]{0,1} copy(f32[4,2]{1,0} %part), metadata={op_name="jit(f)/%x"}
  %view = f32[8]{0} bitcast(%copy.1)
  ROOT %out = (s32[], f32[4,8]{1,0}, bf16[8,2]{1,0}) tuple(%x, %loop_fusion, %w)
}

ENTRY %main (a: f32[4,8]) -> f32[4,8] {
  %a = f32[4,8]{1,0} parameter(0)
  ROOT %c = f32[4,8]{1,0} copy(%a)
}
"""


def test_the_scans_body_is_counted_kind_by_kind():
    x, w, y = 4 * 8 * 4, 8 * 2 * 2, 4 * 2 * 4
    frames = "\n".join(f'{n} "a_file_with_a_frame.py"' for n in range(99))
    found = program.by_kind(PROGRAM.replace("\n\n", f"\n\n{frames}\n\n", 1))
    assert found == {
        "mm": (1, (y + 99) + x + w),
        "fusion": (2, (x + x) + (x + 4 + x + x)),
        "copy": (1, y + y),
    }
    assert list(found) == ["fusion", "mm", "copy"]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("f32[]", 4),
        ("f32[128,32,32,3]{3,2,1,0}", 4 * 128 * 32 * 32 * 3),
        ("bf16[7]{0}", 14),
        ("pred[3,3]", 9),
        ("(f32[2]{0}, (u8[5], s64[1]))", 8 + 5 + 8),
        ("f8e4m3fn[6]", 6),
        ("f32[0,4]", 0),
        ("token[]", 0),
    ],
)
def test_sizes_of_shapes(shape, expected):
    assert program.size(shape) == expected


def test_without_cudas_plugin_it_says_what_to_install(monkeypatch, capsys):
    from jax.experimental import topologies

    def missing(*arguments, **options):
        raise RuntimeError("Unknown backend cuda\nand more")

    monkeypatch.setattr(topologies, "get_topology_desc", missing)
    argv = ["program", "--model", "nn2", "--precision", "tensorfloat32"]
    assert dispatch("python -m benchmarks", BENCHMARKS, argv) == 2
    said = capsys.readouterr().err
    assert "(Unknown backend cuda): pip install --no-deps jax-cuda13-plugin" in said
