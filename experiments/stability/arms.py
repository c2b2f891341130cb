"""The study's arms: those of `compare`, and LM with other shapes and thresholds."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.config.arms import ARMS as COMPARED
from experiments.config.arms import LM, Arm
from experiments.config.run import RunConfig

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(RunConfig)}


def _variant(name: str, label: str, color: str) -> Arm:
    return dataclasses.replace(LM, name=name, label=label, color=color)


# What each has in place of LM's default, as `--f` and `--threshold` spell it.
_CHANGED: Mapping[str, dict[str, str]] = {
    "lm_sqrt": {"f": "sqrt"},
    "lm_quadratic": {"f": "quadratic"},
    "lm_bounded": {"f": "bounded"},
    "lm_smoothed": {"threshold": "smoothed_min"},
    "lm_windowed": {"threshold": "windowed_min(n=100)"},
}
VARIANTS = {
    arm.name: arm
    for arm in (
        _variant("lm_sqrt", "LM, f = √u", "#0072B2"),
        _variant("lm_quadratic", "LM, f = u²", "#009E73"),
        _variant("lm_bounded", "LM, f bounded by 1", "#CC79A7"),
        _variant("lm_smoothed", "LM, smoothed c", "#56B4E9"),
        _variant("lm_windowed", "LM, c of 100 steps", "#882255"),
    )
}
ARMS: Mapping[str, Arm] = {**COMPARED, **VARIANTS}


def parameters(arm: str) -> dict[str, Any]:
    """An arm's parameters: `compare`'s defaults, but for what a variant changes."""
    defaults = {name: _DEFAULTS[name] for name in ARMS[arm].parameters}
    return defaults | _CHANGED.get(arm, {})
