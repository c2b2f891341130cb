"""One side of the training benchmark: a process that trains when it is told to.

Reads a number of steps per line on standard input and answers each with a line of JSON;
the first line it writes says that it is ready. Run by benchmarks/training.py.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

LEARNING_RATE, MOMENTUM = 0.01, 0.9


def jax_trainer(model: str, batch: int, precision: str) -> tuple[Callable, dict]:
    """Steps of experiments.training on random images, one jitted call each."""
    import jax
    import jax.numpy as jnp

    from experiments import training
    from experiments.config import RunConfig
    from experiments.provenance import machine, versions
    from experiments.trainer import Keys

    config = RunConfig(
        dataset="cifar10",
        model=model,
        optimizer="sgd",
        arm="lm",
        seed=0,
        epochs=1,
        learning_rate=LEARNING_RATE,
        momentum=MOMENTUM,
        precision="bfloat16" if precision == "bfloat16" else "float32",
    )
    problem = training.make_problem(config, 10, 1)
    keys = Keys.of(0)
    state = jax.jit(lambda key: training.init_state(problem, key))(keys.init)
    data = training.Batch(
        jax.random.normal(keys.order, (batch, 32, 32, 3)),
        jax.random.randint(keys.step, (batch,), 0, 10),
    )
    began = time.perf_counter()
    step = (
        jax.jit(
            lambda state, data, key: training.train_step(problem, state, data, key),
            donate_argnums=0,
        )
        .lower(state, data, keys.step)
        .compile()
    )
    about = {
        "compile_seconds": time.perf_counter() - began,
        "versions": versions(),
        "machine": machine(),
    }
    held = [state]

    def train(steps: int) -> None:
        for _ in range(steps):
            held[0], metrics = step(held[0], data, keys.step)
        if not jnp.isfinite(metrics.loss):
            raise FloatingPointError("the loss is not finite")

    return train, about


def torch_trainer(model: str, batch: int, precision: str) -> tuple[Callable, dict]:
    """The same in PyTorch: gradients scaled by hand, then torch.optim.SGD."""
    import torch

    from benchmarks import torch_models

    torch.manual_seed(0)
    net: Any = torch_models.create(model).train()
    images = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    net = net.to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    lowest = [float("inf")]
    half = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")

    def train(steps: int) -> None:
        for _ in range(steps):
            with half:
                logits = net(images)
            loss = torch.nn.functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            lowest[0] = min(lowest[0], loss.item())
            scale = 1 / (max(loss.item() - lowest[0], 0.0) + 1)
            for parameter in net.parameters():
                parameter.grad.mul_(scale)
            optimizer.step()

    about = {
        "compile_seconds": 0.0,
        "versions": {"torch": torch.__version__, "python": sys.version.split()[0]},
        "threads": torch.get_num_threads(),
    }
    return train, about


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=("jax", "torch"))
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--precision", required=True)
    args = parser.parse_args()
    make = {"jax": jax_trainer, "torch": torch_trainer}[args.framework]
    train, about = make(args.model, args.batch, args.precision)
    train(2)
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        train(int(line))
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peak_mib": peak}), flush=True)


if __name__ == "__main__":
    main()
