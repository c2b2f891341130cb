"""Checks of a run read from files: the right types, and consistent with each other.

Each function raises ValueError.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.config.run import RunConfig
from experiments.text import printable

if TYPE_CHECKING:
    import pandas as pd

WINDOW = 20  # mini-batches per loss average in the thesis's script
_META: Mapping[str, type] = {
    "started": str,
    "command": str,
    "commit": str,
    "versions": dict,
    "machine": dict,
}
_LARGEST = float(np.finfo(np.float32).max)
_LONGEST = 1e12  # seconds


def average_last_loss(losses: np.ndarray) -> float:
    """The mean over the last complete window of 20 mini-batches in the final epoch.

    Args:
      losses: (steps in the final epoch,) mini-batch losses. With fewer than 20, all of
        them are averaged.
    """
    last = len(losses) // WINDOW * WINDOW
    window = losses[last - WINDOW : last] if last else losses
    return float(np.mean(np.asarray(window, np.float64)))


def meta(values: Mapping[str, Any]) -> dict[str, Any]:
    """A run's origin: each field of `_META`, None if missing; values are scalars."""
    checked: dict[str, Any] = {}
    for name, kind in _META.items():
        value = values.get(name)
        inner = value.values() if isinstance(value, dict) else ()
        if not isinstance(value, kind | None) or any(
            not isinstance(one, str | int | float | None) for one in inner
        ):
            raise ValueError(f"{name} cannot be {_shown(value)}")
        checked[name] = value
    return {**values, **checked}


def measured(
    of: RunConfig,
    result: Mapping[str, Any],
    steps: "pd.DataFrame",
    epochs: "pd.DataFrame",
    rtol: float = 1e-6,
) -> None:
    """Check a run's measurements, and its result against them.

    Args:
      of: the run's configuration.
      result: of result.json.
      steps: columns step, epoch, loss, c, scale.
      epochs: columns epoch, test_accuracy (percent), test_loss, seconds.
      rtol: the relative rounding error of the rows.
    """
    last = len(epochs)
    if not 1 <= last <= of.epochs:
        raise ValueError(f"epochs.csv has {last} of {of.epochs} epochs")
    if len(steps) != result.get("steps", len(steps)) or not len(steps):
        raise ValueError(
            f"steps.csv has {len(steps)} of {_shown(result.get('steps'))} steps"
        )
    _counted("steps.csv", "step", steps["step"].to_numpy())
    _counted("steps.csv", "epoch", np.unique(steps["epoch"]), last)
    if (np.diff(steps["epoch"]) < 0).any():
        raise ValueError("steps.csv: the epochs are out of order")
    _counted("epochs.csv", "epoch", epochs["epoch"].to_numpy())
    losses = np.concatenate([steps["loss"], epochs["test_loss"]])
    if (np.abs(losses[np.isfinite(losses)]) > _LARGEST).any():
        raise ValueError("a loss is larger than any float32")
    for name, most in (("test_accuracy", 100.0), ("seconds", _LONGEST)):
        if not epochs[name].between(0, most).all():
            raise ValueError(f"epochs.csv: {name} is not within 0 and {most:g}")
    final = steps["loss"][steps["epoch"] == last].to_numpy()
    status = result.get("status")
    if status not in ("finished", "diverged"):
        raise ValueError(f"status cannot be {_shown(status)}")
    if status == "diverged" and np.isfinite(final[-1]):
        raise ValueError("status is diverged, the last loss is finite")
    if status == "finished" and last < of.epochs and not of.until_above_chance:
        raise ValueError(f"epochs.csv has {last} of {of.epochs} epochs")
    if not isinstance(result.get("collapsed"), bool):
        raise ValueError(f"collapsed cannot be {_shown(result.get('collapsed'))}")
    if not isinstance(result.get("params_sha256", ""), str):
        raise ValueError("params_sha256 is not a string")
    expected = {
        "test_accuracy": float(epochs["test_accuracy"].iloc[-1]),
        "average_last_loss": average_last_loss(final),
    }
    for name, value in expected.items():
        said: Any = result.get(name)
        whole = isinstance(said, int) and abs(said) <= _LARGEST
        if not (whole or isinstance(said, float)):
            raise ValueError(f"{name} cannot be {_shown(said)}")
        if not np.isclose(float(said), value, rtol, 0, equal_nan=True):
            raise ValueError(f"{name} is {said:g}, but {value:g} was measured")
    seconds = result.get("seconds", 0.0)
    if not isinstance(seconds, float | int) or not 0 <= seconds <= _LONGEST:
        raise ValueError(f"seconds cannot be {_shown(seconds)}")


def _counted(file: str, name: str, values: np.ndarray, last: int | None = None) -> None:
    if not np.array_equal(values, np.arange(1, (last or len(values)) + 1)):
        raise ValueError(f"{file}: {name} does not count from 1 to {last or 'its end'}")


def _shown(value: Any) -> str:
    text = printable(repr(value))
    return text if len(text) <= 60 else f"{text[:59]}…"
