"""The study's arms: remedies for bad batches, each over its strength."""

import dataclasses
from collections.abc import Callable
from typing import Any

import optax

import landmod_jax
from experiments.config import rivals
from experiments.config.arms import ARMS, BASE

Wrapped = Callable[[optax.GradientTransformation, Any], optax.GradientTransformation]


def nothing(strength: Any) -> optax.GradientTransformation:
    return optax.identity()


def _bare(optimizer: optax.GradientTransformation, strength: Any) -> Any:
    return optimizer


@dataclasses.dataclass(frozen=True)
class Remedy:
    """An arm, with one parameter.

    Attributes:
      label: in tables and pictures.
      color: in pictures.
      strengths: from the one that intervenes most to the one that intervenes least.
      default: the usual one.
      ahead: a strength to what comes before the optimizer.
      around: the optimizer and a strength to the whole optimizer.
      optimizers: that it works with.
      resets: whether c forgets its losses when the labels shift.
      only_shift: whether it is for a shift alone.
    """

    label: str
    color: str
    strengths: tuple[float, ...] = (0.0,)
    default: float = 0.0
    ahead: Callable[[Any], optax.GradientTransformation] = nothing
    around: Wrapped = _bare
    optimizers: tuple[str, ...] = ("sgd", "adam")
    resets: bool = False
    only_shift: bool = False

    def serves(self, optimizer: str, shift: bool) -> bool:
        return optimizer in self.optimizers and (shift or not self.only_shift)


def _landscape(k: Any, **options: Any) -> optax.GradientTransformation:
    return landmod_jax.landscape_modify(lambda u: k * u, **options)


def _windowed(k: Any) -> optax.GradientTransformation:
    return _landscape(k, threshold=landmod_jax.windowed_min(WINDOW))


def _landscape_after(optimizer: optax.GradientTransformation, k: Any) -> Any:
    return optax.chain(optimizer, _landscape(k))


WINDOW = 50  # steps
_K = ((10.0, 3.0, 1.0, 0.3, 0.1), 1.0)  # of f(u) = k·u
# By their names on the command line and in rows.
REMEDIES = {
    "base": Remedy(BASE.label, BASE.color),
    "lm": Remedy("LM", ARMS["lm"].color, *_K, ahead=_landscape),
    "lm_after": Remedy(
        "LM after", ARMS["lm_after"].color, *_K, around=_landscape_after
    ),
    "clip": Remedy(  # to a norm
        *("clip", ARMS["clip"].color, (0.1, 0.3, 1.0, 3.0, 10.0, 30.0), 1.0),
        ahead=optax.clip_by_global_norm,
    ),
    "z_score": Remedy(  # to a z of the norm
        *("z-score clip", "#0072B2", (2.0, 2.5, 4.0, 6.0, 8.0), 2.5),
        ahead=rivals.clip_by_z_score,
    ),
    "skip": Remedy(  # from so many deviations on
        *("skip", "#CC79A7", (3.0, 4.0, 6.0, 8.0), 6.0), around=rivals.skip_spikes
    ),
    "history": Remedy(  # to so many times the mean norm
        *("AdaGC", "#56B4E9", (1.05, 1.5, 2.0, 4.0, 8.0), 1.05),
        ahead=rivals.clip_by_history,
    ),
    "updates": Remedy(  # to a root mean square
        *("update clip", "#999933", (0.5, 1.0, 2.0, 4.0), 1.0),
        around=rivals.clip_updates,
        optimizers=("adam",),
    ),
    "lm_windowed": Remedy(
        *(f"LM, c of {WINDOW} steps", "#882255", *_K), ahead=_windowed, only_shift=True
    ),
    "lm_reset": Remedy(
        *("LM, c reset at the shift", "#332288", *_K),
        ahead=_landscape,
        resets=True,
        only_shift=True,
    ),
}
RIVALS = ("clip", "z_score", "skip", "history", "updates")
OURS = ("lm", "lm_after")
