"""The study's arms: those of `compare`, and LM with other shapes and thresholds."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.config.arms import ARMS as COMPARED
from experiments.config.arms import LM, Arm
from experiments.config.run import RunConfig

# Name, label, color, and what replaces LM's default, in the spelling of `--f` and
# `--threshold`.
_VARIANTS = (
    ("lm_sqrt", "LM, f = √u", "#0072B2", {"f": "sqrt"}),
    ("lm_quadratic", "LM, f = u²", "#009E73", {"f": "quadratic"}),
    ("lm_bounded", "LM, f bounded by 1", "#CC79A7", {"f": "bounded"}),
    ("lm_smoothed", "LM, smoothed c", "#56B4E9", {"threshold": "smoothed_min"}),
    (
        "lm_windowed",
        "LM, c of 100 steps",
        "#882255",
        {"threshold": "windowed_min(n=100)"},
    ),
)
VARIANTS = {
    name: dataclasses.replace(LM, name=name, label=label, color=color)
    for name, label, color, _ in _VARIANTS
}
ARMS: Mapping[str, Arm] = {**COMPARED, **VARIANTS}
_CHANGED: Mapping[str, dict[str, str]] = {
    name: changed for name, *_, changed in _VARIANTS
}


def parameters(arm: str) -> dict[str, Any]:
    """An arm's parameters: `compare`'s defaults, except for what a variant changes."""
    defaults = {name: getattr(RunConfig, name) for name in ARMS[arm].parameters}
    return defaults | _CHANGED.get(arm, {})
