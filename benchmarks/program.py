"""`program`: the kernels of a GPU's training step and the bytes they move, without one.

XLA compiles for a GPU that it has a description of, here an H100, on any machine with
JAX's CUDA plugin: no driver, no cuDNN. What a card would autotune is left as it is, so
that a real program can differ in its choice of kernels; seconds are never measured.
"""

import collections
import dataclasses
import functools
import math
import os
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.side import Options, Precision
from experiments.errors import UserError

# NVIDIA's figures of the card, as XLA's GpuTargetConfigProto has them.
H100 = """
gpu_device_info {
  cuda_compute_capability { major: 9 minor: 0 }
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  threads_per_warp: 32 threads_per_block_limit: 1024 threads_per_core_limit: 2048
  registers_per_block_limit: 65536 registers_per_core_limit: 65536
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472 l2_cache_size: 52428800
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  device_memory_size: 84942979072 memory_bandwidth: 3352320000000
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 12 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
NO_PLUGIN = (
    "this JAX cannot compile for an H100 ({}): pip install --no-deps "
    "jax-cuda13-plugin jax-cuda13-pjrt, of jaxlib's version, and leave JAX_PLATFORMS "
    "unset"
)
# Instructions that name a value and run nothing.
_FREE = {
    "after-all",
    "bitcast",
    "constant",
    "copy-done",
    "fusion-done",
    "get-tuple-element",
    "parameter",
    "tuple",
}
_INSTRUCTION = re.compile(r"\s*(?:ROOT )?(%[\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)")
_SHAPE = re.compile(r"\b(pred|bf16|[a-z]+\d+)(?:e\d\w*)?\[([\d,]*)\]")


@dataclasses.dataclass(frozen=True)
class Config:
    """Count the kernels of a training step of LM-SGD on an H100, and their bytes."""

    model: str = "nn2"
    """A network, see models/."""
    precision: Precision = "float32"
    """Of its products and convolutions."""
    batch: int = 128
    """Images a step."""
    show: int = 8
    """How many kinds of kernels are listed, those that move the most bytes first."""
    out: Path | None = None
    """A JSON file for the figures."""


class Kind(NamedTuple):
    """What the kernels of one kind come to."""

    kernels: int
    bytes: int  # inputs and outputs of each once, caches aside


def run(config: Config) -> None:
    # The plugin looks for CUDA's libraries, which compiling does not need.
    os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")
    text, seconds = compiled(config)
    found = by_kind(text)
    row = {
        "model": config.model,
        "precision": config.precision,
        "kernels": sum(kind.kernels for kind in found.values()),
        "bytes": sum(kind.bytes for kind in found.values()),
        **seconds,
        "kinds": {name: kind._asdict() for name, kind in found.items()},
    }
    print(
        f"{config.model}, {config.precision}: {row['kernels']:,} kernels a step, "
        f"{row['bytes'] / 1e9:.2f} GB; {row['lowered_lines']:,} lines lowered in "
        f"{row['lower_seconds']:.0f} s, compiled in {row['compile_seconds']:.0f} s"
    )
    for name, kind in list(found.items())[: config.show]:
        print(f"{kind.kernels:7,}  {kind.bytes / 1e9:7.3f} GB  {name}")
    report.write(config.out, config, [row], **report.where())


def compiled(config: Config) -> tuple[str, dict[str, Any]]:
    """The H100's program of many steps in a scan, and how long it took to make.

    Raises:
      UserError: this JAX cannot compile for it.
    """
    import jax
    import jax.numpy as jnp
    from jax.experimental import topologies

    from benchmarks import jax_side
    from experiments.train.step import Batch, init_state, train_step
    from experiments.train.trainer import Keys

    try:
        topology = topologies.get_topology_desc(
            "h100", platform="cuda", target_config=H100, topology="1x1x1"
        )
    except (RuntimeError, NotImplementedError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise UserError(NO_PLUGIN.format(first)) from error
    there = jax.sharding.SingleDeviceSharding(topology.devices[0])

    def on_it(tree: Any) -> Any:
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=there), tree
        )

    options = Options(
        config.model, config.batch, config.precision, "cuda", False, False
    )
    problem = jax_side.problem_of(options)
    keys = Keys.of(0)
    state = jax.eval_shape(functools.partial(init_state, problem), keys.init)
    images: Any = jax.ShapeDtypeStruct((config.batch, 32, 32, 3), jnp.float32)
    labels: Any = jax.ShapeDtypeStruct((config.batch,), jnp.int32)
    batch = Batch(images, labels)

    def steps(state, batch, key):
        return jax.lax.scan(
            lambda state, _: train_step(problem, state, batch, key),
            state,
            length=jax_side.STEPS_A_DISPATCH,
        )

    began = time.perf_counter()
    jitted = jax.jit(steps, donate_argnums=0)
    lowered = jitted.lower(*map(on_it, (state, batch, keys.step)))
    at_lowered = time.perf_counter()
    text = lowered.compile().as_text()
    return text or "", {
        "lowered_lines": lowered.as_text().count("\n"),
        "lower_seconds": at_lowered - began,
        "compile_seconds": time.perf_counter() - at_lowered,
    }


def by_kind(text: str) -> dict[str, Kind]:
    """Kernels of a program's longest computation, the body of its scan.

    Args:
      text: a compiled program, as XLA prints it.

    Returns:
      Each kind of instruction, or target of a custom call, the most bytes first.
    """
    # Ahead of the first computation stand tables of files and stack frames.
    _, *computations = re.split(r"\n(?=%|ENTRY)", text)
    body = max(computations, key=lambda computation: computation.count("\n"))
    sizes: dict[str, int] = {}
    kernels: collections.Counter[str] = collections.Counter()
    moved: collections.Counter[str] = collections.Counter()
    for line in body.splitlines():
        match = _INSTRUCTION.match(line)
        if match is None:
            continue
        name, shape, kind, rest = match.groups()
        sizes[name] = size(shape)
        if kind in _FREE:
            continue
        target = re.search(r'custom_call_target="([^"]+)"', rest)
        kind = target[1] if target else kind
        operands = re.findall(r"%[\w.\-]+", re.split(r"\)(?:, |$)", rest)[0])
        kernels[kind] += 1
        moved[kind] += sizes[name] + sum(sizes.get(operand, 0) for operand in operands)
    return {name: Kind(kernels[name], count) for name, count in moved.most_common()}


def size(shape: str) -> int:
    """Bytes of an array's or a tuple's shape, such as "(f32[2,3]{1,0}, s32[])"."""
    return sum(
        _bytes(dtype) * math.prod(int(n) for n in dims.split(",") if n)
        for dtype, dims in _SHAPE.findall(shape)
    )


def _bytes(dtype: str) -> int:
    return 1 if dtype == "pred" else int(re.sub(r"\D", "", dtype)) // 8
