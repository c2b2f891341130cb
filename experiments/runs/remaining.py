"""How long runs take, from the pace of similar ones."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from experiments.config.run import RunConfig

if TYPE_CHECKING:
    from experiments.runs.run_directory import Run

Paces = Mapping[tuple[object, ...], float]
# Runs that agree in these have equally long steps, whatever the optimizer and seed.
_ALIKE = ("dataset", "model", "batch_size", "precision", "limit_train", "validation")


def paces(runs: Iterable["Run"]) -> Paces:
    """Seconds per step, tests included, of each kind of run.

    They are those of the last epoch of the latest run.
    """
    by_kind = {}
    for run in sorted(runs, key=lambda run: str(run.meta.get("started"))):
        last = (run.steps["epoch"] == len(run.epochs)).sum()
        by_kind[_kind(run.config)] = float(run.epochs["seconds"].iloc[-1] / last)
    return by_kind


def seconds(paces: Paces, steps: Mapping[RunConfig, int]) -> float | None:
    """The seconds that these steps take; None if the pace of one run is not known."""
    if not all(_kind(config) in paces for config in steps):
        return None
    return sum(count * paces[_kind(config)] for config, count in steps.items())


def _kind(config: RunConfig) -> tuple[object, ...]:
    return tuple(getattr(config, name) for name in _ALIKE)


def in_words(seconds: float) -> str:
    """A duration to two digits or so, such as "about 25 min"."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"about {seconds / size:.2g} {unit}"
    return f"about {max(seconds, 1):.0f} s"
