"""PyTorch's side of the training benchmark: gradients scaled by hand, torch.optim.SGD.

The step is tuned: channels-last memory, one batch on the device, nothing read back
during the steps, and torch.compile if requested.
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from benchmarks.side import (
    CLASSES,
    LEARNING_RATE,
    MOMENTUM,
    Options,
    Side,
    product_flops,
)

# By its file: the package `models` would bring JAX, its memory and its threads.
_FILE = Path(__file__).resolve().parent.parent / "models" / "torch" / "networks.py"


def make(options: Options) -> Side:
    torch.manual_seed(0)
    exact = options.precision != "tensorfloat32"
    torch.backends.cuda.matmul.allow_tf32 = not exact
    torch.backends.cudnn.allow_tf32 = not exact
    torch.backends.cudnn.benchmark = True
    cuda = options.device == "cuda"
    about = {
        "versions": {"torch": torch.__version__, "python": sys.version.split()[0]},
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "mode": options.mode,
        "product_flops": product_flops(options.device, _product(options)),
        "compile_seconds": 0.0,
    }
    return Side(_training(options), about, _device_peak if cuda else lambda: None)


def _networks() -> Any:
    spec = importlib.util.spec_from_file_location("networks", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _network(options: Options) -> tuple[Any, Any, Any]:
    """The network, its call, and its optimizer."""
    net: Any = _networks().create(options.model).train().to(options.device)
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    half = torch.autocast(
        options.device, torch.bfloat16, enabled=options.precision == "bfloat16"
    )
    graphs = options.mode == "graphs"
    module = net
    if options.mode != "eager":
        module = torch.compile(net, mode="reduce-overhead" if graphs else None)

    def loss_of(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if graphs:
            torch.compiler.cudagraph_mark_step_begin()
        with half:
            logits = module(images)
        return cross_entropy(logits.float(), labels)

    return net, loss_of, optimizer


def _training(options: Options) -> Callable[[int], int]:
    """Side's `train`, on one random batch."""
    net, loss_of, optimizer = _network(options)
    images = torch.randn(options.batch, 3, 32, 32, device=options.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (options.batch,), device=options.device)
    lowest = torch.full((), float("inf"), device=options.device)
    parameters = list(net.parameters())

    def train(steps: int) -> int:
        for _ in range(steps):
            loss = loss_of(images, labels)
            optimizer.zero_grad()
            loss.backward()
            with torch.no_grad():
                value = loss.detach()
                torch.minimum(lowest, value, out=lowest)
                scale = 1 / ((value - lowest).clamp(min=0) + 1)
                torch._foreach_mul_([p.grad for p in parameters], scale)
            optimizer.step()
        loss.item()  # waits for the device
        return steps

    return train


def _product(options: Options) -> Callable[[int], Callable[[], None]]:
    half = options.precision == "bfloat16"
    dtype = torch.bfloat16 if half else torch.float32

    def prepare(n: int) -> Callable[[], None]:
        a = torch.randn(n, n, device=options.device, dtype=dtype)

        def multiply() -> None:
            a @ a
            if options.device == "cuda":
                torch.cuda.synchronize()

        return multiply

    return prepare


def _device_peak() -> float:
    return torch.cuda.max_memory_allocated() / 2**20
