"""A side of the training benchmark: its training, its options, its description."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Literal

from experiments.config.precision import Precision as Precision

Framework = Literal["jax", "torch"]
# PyTorch's: as it is, by torch.compile, and by torch.compile with CUDA graphs.
Mode = Literal["eager", "compile", "graphs"]
Device = Literal["cpu", "cuda"]
# Of LM-SGD on images like CIFAR-10's.
LEARNING_RATE, MOMENTUM = 0.01, 0.9
CLASSES = 10
# Sizes of the square matrices whose product measures a machine's speed.
PRODUCT_SIZES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192)}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of a side, the same for both sides."""

    model: str
    batch: int
    precision: Precision
    device: Device
    mode: Mode = "eager"  # of PyTorch alone
    onednn: bool = False  # ours, on a CPU
    keep_memory: bool = False


@dataclasses.dataclass(frozen=True)
class Side:
    """A network that trains on request."""

    train: Callable[[int], int]  # runs that many steps or a few more; returns how many
    about: dict[str, Any]
    device_peak_mib: Callable[[], float | None]  # None where that is the process's


def product_flops(
    device: Device, prepare: Callable[[int], Callable[[], None]]
) -> float:
    """The best rate of a large matrix product, in operations a second.

    Args:
      prepare: makes a function that multiplies n×n matrices and waits for the result.
    """
    best = 0.0
    for n in PRODUCT_SIZES[device]:
        multiply = prepare(n)
        multiply()
        for _ in range(3):
            began = time.perf_counter()
            multiply()
            best = max(best, 2 * n**3 / (time.perf_counter() - began))
    return best
