"""The options of `training`."""

import dataclasses
import sys
from pathlib import Path

from benchmarks.side import Device, Mode, Precision


@dataclasses.dataclass(frozen=True)
class Config:
    """Time LM-SGD training steps in two processes that take turns, block by block."""

    models: tuple[str, ...] = ("simple_cnn", "nn2", "vgg16", "preresnet110")
    """Networks, see models/."""
    batch: int = 128
    """Images per step."""
    blocks: int = 3
    """Pairs of timed blocks for each pair of processes."""
    processes: int = 3
    """Pairs of processes, one after the other. The result is the median of the ratios
    of all their blocks, because one process may be slower than the next throughout."""
    seconds: float = 3.0
    """Approximate length of a block."""
    precision: Precision = "float32"
    """Precision of both sides; tensorfloat32 is for GPUs."""
    device: Device = "cpu"
    """Device of both sides."""
    torch_compile: bool = False
    """Compile PyTorch's side."""
    author_loop: bool = False
    """Time whole loops: PyTorch's as in the original script, with a DataLoader and the
    loss read at every step, against our trainer. Both sides use random images."""
    torch_python: Path = Path(sys.executable)
    """An interpreter that has torch; JAX is this one's."""
    jax_python: Path = Path(sys.executable)
    """An interpreter that has JAX; by default this one."""
    keep_memory: bool = True
    """Tell glibc to keep freed memory, on both sides."""
    onednn: bool = True
    """Compile our side for oneDNN if this JAX has it, like --onednn of the
    experiments."""
    minutes: float | None = None
    """Measure as much as fits into this many minutes, the most important first. Both
    sides and all of PyTorch's modes get ready at once, and each row is written
    immediately. Then --blocks, --processes, --precision and --torch-compile have no
    effect."""
    precisions: tuple[Precision, ...] = ("tensorfloat32", "bfloat16")
    """With --minutes: the precisions of each network."""
    modes: tuple[Mode, ...] = ("eager", "graphs", "compile")
    """With --minutes: PyTorch's modes. graphs is torch.compile with CUDA graphs."""
    xla_flags: tuple[str, ...] = ()
    """With --minutes: XLA flags, each tried separately on our side, such as
    xla_gpu_force_conv_nhwc=true."""
    out: Path | None = None
    """JSON file to write the figures to."""
