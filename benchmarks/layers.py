"""`layers`: what each formulation in models/cpu/ gains over the native form."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.timing import in_turns, spread


@dataclasses.dataclass(frozen=True)
class Config:
    """Time single layers, forward and backward, in our form and in XLA's own."""

    batch: int = 128
    """Images."""
    calls: int = 15
    """Alternating timed calls of each form, after five warm-up calls."""
    out: Path | None = None
    """JSON file to write the figures to."""


class Layer(NamedTuple):
    name: str
    side: int  # of the map, in pixels
    inputs: int
    outputs: int
    ours: Callable
    native: Callable


def run(config: Config) -> None:
    report.check(config)
    rows = []
    for layer in _layers():
        times = _times(config, layer)
        row = layer._asdict() | {k: spread(v) for k, v in times.items()}
        rows.append(row)
        print(
            f"{layer.name:22} {layer.side:2}² {layer.inputs:3} → {layer.outputs:3}  "
            f"native {row['native']['median']:6.1f} ms, "
            f"ours {row['ours']['median']:6.1f} ms",
            flush=True,
        )
    report.write(config.out, config, rows, unit="ms", **report.where())


def _layers() -> Iterator[Layer]:
    from models.cpu import conv, norm, pool

    def convolution(name, side, inputs, outputs, kernel=3, stride=1):
        shape = {"stride": stride, "padding": kernel // 2}
        return Layer(
            f"{name} {kernel}×{kernel}" + (f", stride {stride}" if stride > 1 else ""),
            side,
            inputs,
            outputs,
            lambda x, w: conv.conv(x, w[:kernel, :kernel], *shape.values()),
            lambda x, w: conv.native(x, w[:kernel, :kernel], **shape),
        )

    yield convolution("pointwise", 32, 64, 16, kernel=1)
    yield convolution("pointwise", 32, 16, 64, kernel=1)
    yield convolution("patches", 32, 3, 32)
    yield convolution("patches", 16, 64, 64, stride=2)
    for shape in (
        (32, 32, 64),
        (16, 32, 32),
        (16, 64, 128),
        (8, 64, 64),
        (8, 256, 256),
        (4, 512, 512),
        (2, 512, 512),
    ):
        yield convolution("Winograd", *shape)

    def batch_norm(function):
        return lambda x, w: function(x, w[0, 0, 0], w[0, 0, 1])

    yield Layer(
        "batch norm",
        32,
        64,
        64,
        batch_norm(
            lambda x, scale, bias: norm.normalize(x, scale, bias, 1e-5, None)[0]
        ),
        batch_norm(_norm_by_autodiff),
    )
    yield Layer(
        "max pool",
        32,
        64,
        64,
        lambda x, w: pool.max_pool(x),
        lambda x, w: pool.native(x),
    )


def _norm_by_autodiff(x, weight, bias):
    import jax

    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return weight * (x - mean) * jax.lax.rsqrt(var + 1e-5) + bias


def _times(config: Config, layer: Layer) -> dict[str, list[float]]:
    import jax

    def both_ways(function, x, w, g):
        y, pull_back = jax.vjp(function, x, w)
        return y, pull_back(g)

    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (config.batch, layer.side, layer.side, layer.inputs))
    w = jax.random.normal(keys[1], (3, 3, layer.inputs, layer.outputs)) / 10
    g = jax.random.normal(keys[2], jax.eval_shape(layer.ours, x, w).shape)
    forms: dict[str, Any] = {
        name: jax.jit(functools.partial(both_ways, getattr(layer, name)))
        for name in ("native", "ours")
    }
    sides = {
        name: lambda form=form: jax.block_until_ready(form(x, w, g))
        for name, form in forms.items()
    }
    times = in_turns(sides, config.calls, warm=5)
    return {name: [1e3 * second for second in times[name]] for name in times}
