"""How long unfinished runs will take, from the pace of similar runs."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from experiments.config.options import steps_of
from experiments.config.run import RunConfig

if TYPE_CHECKING:
    import pandas as pd

    from experiments.runs.run_directory import Run

# Runs that agree in these have equally long steps, whatever the optimizer and seed.
_ALIKE = ("dataset", "model", "batch_size", "precision", "limit_train", "validation")


class Pace:
    """Seconds per step, tests included, of each kind of run."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[object, ...], float] = {}

    @classmethod
    def of(cls, runs: Iterable["Run"]) -> "Pace":
        """The paces of finished runs; of two of the same kind, the later one counts."""
        pace = cls()
        for run in sorted(runs, key=lambda run: str(run.meta.get("started"))):
            seconds = float(run.epochs["seconds"].iloc[-1])
            last = int((run.steps["epoch"] == len(run.epochs)).sum())
            pace.measured(run.config, last, seconds)
        return pace

    def measured(self, config: RunConfig, steps: int, seconds: float) -> None:
        if steps:
            self._seconds[_kind(config)] = seconds / steps

    def seconds(self, config: RunConfig, steps: int) -> float | None:
        """The seconds that the steps take; None if no similar run was measured."""
        pace = self._seconds.get(_kind(config))
        return None if pace is None else steps * pace


def _kind(config: RunConfig) -> tuple[object, ...]:
    return tuple(getattr(config, name) for name in _ALIKE)


class Remaining:
    """A follower of the runs of a sweep, one after the other, that times the rest."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._current: RunConfig | None = None
        self._done = 0  # steps of the current run

    def starts(self, config: RunConfig) -> None:
        """Follow this run from now on."""
        self._current, self._done = config, 0

    def begin(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        self._done = len(steps)

    def add(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        assert self._current is not None
        self._done += len(steps)
        # The seconds of an epoch are all its steps'; here are those since it resumed.
        share = len(steps) / max(steps_of(self._current) // self._current.epochs, 1)
        seconds = float(epochs["seconds"].iloc[0])
        if share >= 1:
            self._pace.measured(self._current, len(steps), seconds)

    def seconds(self, left: Sequence[RunConfig]) -> float | None:
        """The seconds for the runs that are left, including the current one.

        None if the pace of one is not known.
        """
        total = 0.0
        for config in left:
            done = self._done if config == self._current else 0
            seconds = self._pace.seconds(config, max(steps_of(config) - done, 0))
            if seconds is None:
                return None
            total += seconds
        return total


def in_words(seconds: float) -> str:
    """A duration to two digits or so, such as "about 25 min"."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"about {seconds / size:.2g} {unit}"
    return f"about {max(seconds, 1):.0f} s"
