"""What `training` is asked for on its command line."""

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
    """Images a step."""
    blocks: int = 3
    """Pairs of timed blocks of two processes."""
    processes: int = 3
    """Pairs of processes, one after the other; a median is taken over the ratios of all
    their blocks. One process may be slower than the next for all its life."""
    seconds: float = 3.0
    """About how long a block is."""
    precision: Precision = "float32"
    """Of both sides; tensorfloat32 is for GPUs."""
    device: Device = "cpu"
    """Of both sides."""
    torch_compile: bool = False
    """Compile PyTorch's side."""
    author_loop: bool = False
    """Time whole loops: PyTorch's as the original script has it, with a DataLoader and
    the loss read at every step, against our trainer. Random images on both sides."""
    torch_python: Path = Path(sys.executable)
    """An interpreter that has torch; JAX is this one's."""
    jax_python: Path = Path(sys.executable)
    """An interpreter that has JAX; by default this one."""
    keep_memory: bool = True
    """Tell glibc to keep freed memory, on both sides."""
    onednn: bool = True
    """Compile ours for oneDNN where this JAX has it, as the experiments' --onednn."""
    minutes: float | None = None
    """Measure what fits into so many minutes, the most important first; both sides and
    all of PyTorch's modes get ready at once, and each row is written as it comes.
    Of blocks, processes, precision and torch_compile nothing is read then."""
    precisions: tuple[Precision, ...] = ("tensorfloat32", "bfloat16")
    """With minutes: those of each network."""
    modes: tuple[Mode, ...] = ("eager", "graphs", "compile")
    """With minutes: PyTorch's. graphs is torch.compile with CUDA graphs."""
    xla_flags: tuple[str, ...] = ()
    """With minutes: flags for XLA, each tried by itself on our side, such as
    xla_gpu_force_conv_nhwc=true."""
    out: Path | None = None
    """A JSON file for the figures."""
