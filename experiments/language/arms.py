"""The optimizers and the arms: how each arm changes an optimizer.

AdamW has the settings of GPT-like models. AdaBelief has those of Siow's code for LM
(2024): gradients clipped to norm 0.25, then LM, then L2 decay.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

import landmod_jax as lm
from experiments.config import rivals
from experiments.config.arms import ARMS as COMPARED

B1, B2, DECAY = 0.9, 0.95, 0.1  # AdamW's
CLIP, L2, EPS = 0.25, 1.2e-6, 1e-12  # AdaBelief's


@dataclasses.dataclass(frozen=True)
class Arm:
    """How an arm changes an optimizer.

    Attributes:
      label, color: in tables and pictures.
      ahead: to what comes ahead of decay and the optimizer, from the mean scale.
      after: likewise, to what comes after the optimizer.
      schedule: (learning rate, steps, steps of warm-up) to a learning rate's schedule.
      stable: whether updates are clipped as in StableAdamW.
      eps, l2: whether 1 / the mean scale multiplies AdaBelief's ε and L2 decay.
      has_scale: whether LM has a scale to record.
      replays: whether it needs the mean scale of the LM run of its seed and rate.
    """

    label: str
    color: str
    ahead: Callable[[Any], Any] | None = None
    after: Callable[[Any], Any] | None = None
    schedule: Callable[[Any, int, int], Any] | None = None
    stable: bool = False
    eps: bool = False
    l2: bool = False
    has_scale: bool = False
    replays: bool = False


def _warmed_up(rate: Any, steps: int, warmup: int) -> Any:
    return optax.linear_schedule(rate / warmup, rate, warmup - 1)


def _cosine(rate: Any, steps: int, warmup: int) -> Any:
    """A warm-up, then a cosine that would be 0 at the step after the last one."""
    progress = steps - warmup

    def schedule(count: Any) -> Any:
        angle = jnp.pi * jnp.clip((count - warmup) / progress, 0, 1)
        return rate * jnp.minimum((count + 1) / warmup, 0.5 * (1 + jnp.cos(angle)))

    return schedule


def _clipped(norm: float) -> Callable[[Any], Any]:
    return lambda mean: optax.clip_by_global_norm(norm)


def _lm(mean: Any) -> Any:
    return lm.landscape_modify()


def _lm_at_0(mean: Any) -> Any:
    return lm.landscape_modify(threshold=lm.constant(0.0))


def _named(name: str) -> tuple[str, str]:
    return COMPARED[name].label, COMPARED[name].color


ARMS = {
    "base": Arm(*_named("base")),
    "lm": Arm(*_named("lm"), ahead=_lm, has_scale=True),
    "lm_after": Arm(*_named("lm_after"), after=_lm, has_scale=True),
    "clip": Arm("clip 1", _named("clip")[1], ahead=_clipped(1.0)),
    "warmup": Arm(*_named("warmup"), schedule=_warmed_up),
    # Ahead of Adam, a constant factor would cancel.
    "mean_after": Arm(
        "mean scale after", _named("mean_scale")[1], after=optax.scale, replays=True
    ),
    "warmup_cosine": Arm("warm-up, cosine", "#777777", schedule=_cosine),
    "lm_after_warmup": Arm(
        "LM after, warm-up",
        "#882255",
        after=_lm,
        schedule=_warmed_up,
        has_scale=True,
    ),
    "update_clip": Arm("update clipping", "#332288", stable=True),
    "clip_03": Arm("clip 0.3", "#44AA99", ahead=_clipped(0.3)),
    "clip_3": Arm("clip 3", "#999933", ahead=_clipped(3.0)),
    "mean_scale": Arm(*_named("mean_scale"), ahead=optax.scale, replays=True),
    "lm_c0": Arm(*_named("lm_c0"), ahead=_lm_at_0, has_scale=True),
    "eps_l2": Arm("ε and L2 of LM", "#56B4E9", eps=True, l2=True, replays=True),
    "eps": Arm("ε of LM", "#009E73", eps=True, replays=True),
    "l2": Arm("L2 of LM", "#CC79A7", l2=True, replays=True),
}


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """An optimizer.

    Attributes:
      label: in tables and pictures.
      rates: the grid of learning rates.
      source: the LM arm whose mean scale others replay.
    """

    label: str
    rates: tuple[float, ...]
    source: str


OPTIMIZERS = {
    "adamw": Optimizer("AdamW", (0.001, 0.003, 0.01, 0.03, 0.1), "lm_after"),
    # Around the 0.01 of Siow's code.
    "adabelief": Optimizer("AdaBelief", (0.003, 0.01, 0.03), "lm_c0"),
}


def create(
    optimizer: str, arm: str, rate: Any, steps: int, warmup: int, mean: Any = 1.0
) -> optax.GradientTransformationExtraArgs:
    """The optax chain of a run; `rate` and the mean scale may be traced."""
    made, k = ARMS[arm], 1 / mean
    ahead = [] if made.ahead is None else [made.ahead(mean)]
    after = [] if made.after is None else [made.after(mean)]
    if made.schedule is not None:
        rate = made.schedule(rate, steps, warmup)
    if optimizer == "adamw":
        adam = optax.scale_by_adam(B1, B2)
        if made.stable:
            adam = rivals.clip_updates(adam, b2=B2)
        middle = [adam, optax.add_decayed_weights(DECAY)]
    else:
        middle = [
            optax.add_decayed_weights(L2 * (k if made.l2 else 1.0)),
            adabelief(k if made.eps else 1.0),
        ]
        ahead = [optax.clip_by_global_norm(CLIP), *ahead]
    return optax.chain(*ahead, *middle, optax.scale_by_learning_rate(rate), *after)


def adabelief(k: Any = 1.0) -> optax.GradientTransformation:
    """AdaBelief for gradients that are k times as large.

    It adds ε to the second moment, which k² multiplies, and to its root, which k
    multiplies. With L2 decay k times as large, updates are those of gradients / k.
    """
    return optax.scale_by_belief(0.9, 0.999, eps=EPS * k, eps_root=EPS * k**2)
