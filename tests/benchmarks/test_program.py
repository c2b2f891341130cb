"""The count of a compiled program's kernels, on one small enough to count by hand."""

import pytest

from benchmarks import hlo
from benchmarks.__main__ import BENCHMARKS
from experiments.commands.cli import dispatch

PROGRAM = """HloModule jit_steps, is_scheduled=true

%inner (arg.1: (s32[], f32[9,8])) -> (s32[], f32[9,8]) {
  %arg.1 = (s32[], f32[9,8]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%arg.1), index=0
  %all = f32[9,8]{1,0} get-tuple-element(%arg.1), index=1
  %inner_fusion = f32[9,8]{1,0} fusion(%all), kind=kLoop, calls=%fused
  ROOT %out.1 = (s32[], f32[9,8]) tuple(%i, %inner_fusion)
}

%body (arg: (s32[], f32[4,8], bf16[8,2])) -> (s32[], f32[4,8], bf16[8,2]) {
  %arg = (s32[], f32[4,8]{1,0}, bf16[8,2]{1,0}) parameter(0)
  %x = f32[4,8]{1,0} get-tuple-element(%arg), index=1
  %w = bf16[8,2]{1,0} get-tuple-element(%arg), index=2, metadata={op_name="a(b), c"}
  %loop_fusion = f32[4,8]{1,0} fusion(%x), kind=kLoop, calls=%fused
  %other_fusion = (f32[4,8], pred[4]) fusion(%x, %loop_fusion), calls=%fused.2
  %cublas.1 = (f32[4,2]{1,0}, s8[99]{0}) custom-call(%x, %w), custom_call_target="mm"
  %part = f32[4,2]{1,0} get-tuple-element(%cublas.1), index=0
  %copy.1 = f32[4,2]{0,1} copy(f32[4,2]{1,0} %part), metadata={op_name="jit(f)/%x"}
  %view = f32[8]{0} bitcast(%copy.1)
  ROOT %out = (s32[], f32[4,8]{1,0}, bf16[8,2]{1,0}) tuple(%x, %loop_fusion, %w)
}

ENTRY %main (a: f32[4,8]) -> f32[4,8] {
  %a = f32[4,8]{1,0} parameter(0)
  %while.1 = (s32[], f32[4,8]) while(%a), condition=%c, body=%body, backend_config={}
  ROOT %c = f32[4,8]{1,0} copy(%a)
}
"""
LOOP = (
    "  %n = (s32[]) while(%x), condition=%c.1, body=%inner, "
    'backend_config={"known_trip_count":{"n":"11"},"known_init_step":{"init":"0"}}\n'
)


def test_the_scans_body_is_counted_kind_by_kind():
    x, w, y = 4 * 8 * 4, 8 * 2 * 2, 4 * 2 * 4
    frames = "\n".join(f'{n} "a_file_with_a_frame.py"' for n in range(99))
    found = hlo.by_kind(PROGRAM.replace("\n\n", f"\n\n{frames}\n\n", 1))
    assert found == {
        "mm": (1, (y + 99) + x + w),
        "fusion": (2, (x + x) + (x + 4 + x + x)),
        "copy": (1, y + y),
    }
    assert list(found) == ["fusion", "mm", "copy"]


def test_a_loop_in_the_body_counts_as_often_as_it_runs():
    program = PROGRAM.replace("  %view", f"{LOOP}  %view")
    before, after = (hlo.by_kind(text)["fusion"] for text in (PROGRAM, program))
    assert after.kernels == before.kernels + 11
    assert after.bytes == before.bytes + 11 * 2 * (9 * 8 * 4)


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
    assert hlo.size(shape) == expected


def test_without_cudas_plugin_it_says_what_to_install(monkeypatch, capsys):
    from jax.experimental import topologies

    def missing(*arguments, **options):
        raise RuntimeError("Unknown backend cuda\nand more")

    monkeypatch.setattr(topologies, "get_topology_desc", missing)
    argv = ["program", "--model", "nn2", "--precision", "tensorfloat32"]
    assert dispatch("python -m benchmarks", BENCHMARKS, argv) == 2
    said = capsys.readouterr().err
    assert "(Unknown backend cuda): pip install --no-deps jax-cuda13-plugin" in said
