"""`program`: the kernels of a GPU training step and the bytes they move, without a GPU.

From a description of a GPU, here an H100, XLA compiles for it on any machine with JAX's
CUDA plugin, without a driver or cuDNN. There is no autotuning, so a real program may
use other kernels. Nothing is timed.
"""

import dataclasses
import functools
import os
import time
from pathlib import Path
from typing import Any

from benchmarks import hlo, report
from benchmarks.side import Options, Precision
from experiments.errors import UserError

# NVIDIA's figures for the card, in the form of XLA's GpuTargetConfigProto.
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
    "jax-cuda13-plugin jax-cuda13-pjrt in jaxlib's version, and leave JAX_PLATFORMS "
    "unset"
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Count the kernels of a training step of LM-SGD on an H100, and their bytes."""

    model: str = "nn2"
    """A network, see models/."""
    precision: Precision = "float32"
    """Precision of its products and convolutions."""
    batch: int = 128
    """Images per step."""
    show: int = 8
    """Number of kinds of kernels to list; those that move the most bytes come first."""
    out: Path | None = None
    """JSON file to write the figures to."""


def run(config: Config) -> None:
    report.check(config)
    # The plugin looks for CUDA's libraries, which compilation does not need.
    os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")
    text, seconds = compiled(config)
    found = hlo.by_kind(text)
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
    from experiments.train.step import Batch, init_state
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

    options = Options(config.model, config.batch, config.precision, "cuda")
    problem = jax_side.problem_of(options)
    keys = Keys.of(0)
    state = jax.eval_shape(functools.partial(init_state, problem), keys.init)
    images: Any = jax.ShapeDtypeStruct((config.batch, 32, 32, 3), jnp.float32)
    labels: Any = jax.ShapeDtypeStruct((config.batch,), jnp.int32)
    batch = Batch(images, labels)

    began = time.perf_counter()
    jitted = jax.jit(jax_side.many_steps(problem), donate_argnums=0)
    lowered = jitted.lower(*map(on_it, (state, batch, keys.step)))
    at_lowered = time.perf_counter()
    text = lowered.compile().as_text()
    return text or "", {
        "lowered_lines": lowered.as_text().count("\n"),
        "lower_seconds": at_lowered - began,
        "compile_seconds": time.perf_counter() - at_lowered,
    }
