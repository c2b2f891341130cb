"""The study's arms: those of `compare`, and others with other parameters or places."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.config.arms import ARMS as COMPARED
from experiments.config.arms import BASE, LM, Arm
from experiments.config.run import RunConfig

if TYPE_CHECKING:
    import optax


def _warmed_up_cosine(rate: float, steps: int, warmup_steps: int) -> "optax.Schedule":
    import optax

    # A warm-up like that of the arm `warmup`. The rate may be traced.
    factor = optax.warmup_cosine_decay_schedule(
        1 / warmup_steps, 1.0, warmup_steps - 1, steps
    )
    return lambda count: rate * factor(count)


_CLIP, _MOMO = COMPARED["clip"], COMPARED["momo"]
_MEAN, _SHUFFLED = COMPARED["mean_scale"], COMPARED["shuffled_scale"]
_CLIP_AFTER = Arm("clip_after", "", "", ("clip_norm",), after=_CLIP.ahead)
# Arm, name, label, color, and what replaces the default parameters, as on the command
# line of `compare`.
_CHANGED: tuple[tuple[Arm, str, str, str, dict[str, Any]], ...] = (
    (LM, "lm_sqrt", "LM, f = √u", "#0072B2", {"f": "sqrt"}),
    (LM, "lm_quadratic", "LM, f = u²", "#009E73", {"f": "quadratic"}),
    (LM, "lm_bounded", "LM, f bounded by 1", "#CC79A7", {"f": "bounded"}),
    (LM, "lm_smoothed", "LM, smoothed c", "#56B4E9", {"threshold": "smoothed_min"}),
    (
        *(LM, "lm_windowed", "LM, c of 100 steps", "#882255"),
        {"threshold": "windowed_min(n=100)"},
    ),
    (_CLIP, "clip0.3", "clip 0.3", "#117733", {"clip_norm": 0.3}),
    (_CLIP, "clip3", "clip 3", "#44AA99", {"clip_norm": 3.0}),
    (_CLIP, "clip10", "clip 10", "#88CCEE", {"clip_norm": 10.0}),
    (_CLIP_AFTER, "clip_after0.1", "clip 0.1 after", "#0072B2", {"clip_norm": 0.1}),
    (_CLIP_AFTER, "clip_after0.3", "clip 0.3 after", "#56B4E9", {"clip_norm": 0.3}),
    (_CLIP_AFTER, "clip_after", "clip 1 after", "#6699CC", {"clip_norm": 1.0}),
    (_CLIP_AFTER, "clip_after3", "clip 3 after", "#AA4499", {"clip_norm": 3.0}),
    (_MOMO, "momo_cap", "MoMo, rate is its cap", "#332288", {"step_cap": 1.0}),
)
_WARMUP_COSINE = Arm(
    "warmup_cosine",
    "warm-up, cosine",
    "#CC79A7",
    ("warmup_steps",),
    schedule=_warmed_up_cosine,
)
_MADE = {
    name: dataclasses.replace(arm, name=name, label=label, color=color)
    for arm, name, label, color, _ in _CHANGED
}
# Ahead of Adam, a constant factor would cancel.
_AFTER = {
    name: dataclasses.replace(
        arm, name=name, label=f"{arm.label} after", ahead=BASE.ahead, after=arm.ahead
    )
    for name, arm in (("mean_after", _MEAN), ("shuffled_after", _SHUFFLED))
}
VARIANTS = tuple(name for name in _MADE if name.startswith("lm_"))
ARMS: Mapping[str, Arm] = {
    **COMPARED,
    **_MADE,
    "warmup_cosine": _WARMUP_COSINE,
    **_AFTER,
}
_REPLACED: Mapping[str, dict[str, Any]] = {
    name: changed for _, name, *_, changed in _CHANGED
}


def replayed(arm: str) -> str | None:
    """The LM arm whose scales an arm replays, run by run; None if it does not."""
    if ARMS[arm].replay is None:
        return None
    return "lm_after" if arm in _AFTER else LM.name


# The arms whose scales others replay.
REPLAYED = {replayed(arm) for arm in ARMS}


def parameters(arm: str) -> dict[str, Any]:
    """An arm's parameters: `compare`'s defaults, except for what it changes."""
    defaults = {name: getattr(RunConfig, name) for name in ARMS[arm].parameters}
    return defaults | _REPLACED.get(arm, {})
