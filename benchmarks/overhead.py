"""`overhead`: what landscape_modify adds to an optimizer's step, on VGG16's weights."""

import dataclasses
import functools
import itertools
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.timing import in_turns


@dataclasses.dataclass(frozen=True)
class Config:
    """Compare chain(landscape_modify, opt) with opt: bytes by XLA, and paired times."""

    pairs: int = 300
    """Timed pairs of calls; the order within a pair alternates."""
    out: Path | None = None
    """JSON file to write the figures to."""


def run(config: Config) -> None:
    report.check(config)
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    import landmod_jax as lm
    import models

    optimizers = {
        "sgd": optax.sgd(0.05, momentum=0.9),
        "adam": optax.adam(1e-3),
        "adagrad": optax.adagrad(1e-2),
        "rmsprop": optax.rmsprop(1e-3),
    }
    net = models.create("vgg16")
    shapes = jax.eval_shape(
        lambda: net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    )["params"]
    grads = jax.tree.map(lambda s: jnp.full(s.shape, 1e-3, s.dtype), shapes)

    def stepper(tx: Any) -> Any:
        tx = optax.with_extra_args_support(tx)

        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def step(params: Any, state: Any, grads: Any, value: Any) -> Any:
            updates, state = tx.update(grads, state, params, value=value)
            return optax.apply_updates(params, updates), state

        params = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
        state = tx.init(params)
        compiled = step.lower(params, state, grads, jnp.float32(0)).compile()
        held = [(params, state)]
        values = itertools.cycle([jnp.float32(1 + i) for i in range(5)])

        def call() -> None:
            held[0] = jax.block_until_ready(compiled(*held[0], grads, next(values)))

        return (compiled.cost_analysis() or {})["bytes accessed"], call

    rows = []
    for name, tx in optimizers.items():
        plain_bytes, plain = stepper(tx)
        lm_bytes, modified = stepper(optax.chain(lm.landscape_modify(), tx))
        times = in_turns({"plain": plain, "modified": modified}, config.pairs, warm=3)
        seconds = {side: np.array(times[side]) for side in times}
        ratios = seconds["modified"] / seconds["plain"]
        rows.append(
            {
                "optimizer": name,
                "bytes_added_percent": 100 * (lm_bytes / plain_bytes - 1),
                "plain_ms": 1e3 * float(np.median(seconds["plain"])),
                "modified_ms": 1e3 * float(np.median(seconds["modified"])),
                "ratio_median": float(np.median(ratios)),
                "ratio_quartiles": np.quantile(ratios, (0.25, 0.75)).tolist(),
            }
        )
        row = rows[-1]
        print(
            f"{name:8} bytes {row['bytes_added_percent']:+.4f}%   "
            f"{row['plain_ms']:.2f} → {row['modified_ms']:.2f} ms   "
            f"ratio {row['ratio_median']:.3f} "
            f"({row['ratio_quartiles'][0]:.3f} to {row['ratio_quartiles'][1]:.3f})"
        )
    report.write(config.out, config, rows, **report.where())
