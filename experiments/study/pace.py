"""How long parts take, at the pace of finished ones."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.errors import UserError
from experiments.runs import provenance
from experiments.runs.remaining import in_words
from experiments.study import store
from experiments.study.record import Part, Study


def time(study: Study, parts: Sequence[Part], out: Path) -> str:
    """How long parts take, at the pace of those finished in `out`.

    If these do not tell, at the pace of the committed study.
    """
    if (seconds := Pace.of(study, out).seconds(parts)) is not None:
        return f"{in_words(seconds)}, at the pace of the finished parts here"
    pace = Pace.of(study, study.committed)
    if (seconds := pace.seconds(parts)) is None:
        return "the time is not known until some of it is finished"
    machines = "; ".join(dict.fromkeys(pace.machine(part.sort) for part in parts))
    of = f"results/{study.committed.name} ({machines})"
    return f"{in_words(seconds)}, at the pace of the finished parts of {of}"


class Pace:
    """What finished parts took, by sort and machine."""

    def __init__(self) -> None:
        # (amount, seconds) of each part.
        self._spent: dict[str, dict[str, list[tuple[float, float]]]] = {}

    @classmethod
    def of(cls, study: Study, out: Path) -> "Pace":
        pace = cls()
        with contextlib.suppress(UserError):
            index = store.index(study, out)
            for part, about in index.parts.items():
                # A damaged part tells nothing.
                with contextlib.suppress(OSError, ValueError):
                    rows = store.rows_of(study, out, part, about)
                    sort, amount = study.size(part, index, rows)
                    seconds = about.get("seconds", 0.0)
                    pace.add(sort, amount, seconds, provenance.device(about))
        return pace

    def add(self, sort: str, amount: float, seconds: float, machine: str) -> None:
        machines = self._spent.setdefault(sort, {})
        machines.setdefault(machine, []).append((amount, seconds))

    def machine(self, sort: str) -> str:
        """The machine with the most parts of a sort, whose pace counts."""
        machines = self._spent[sort]
        return max(machines, key=lambda name: len(machines[name]))

    def seconds(self, parts: Iterable[Part]) -> float | None:
        """The seconds that parts take; None if the pace of one is not known."""
        total = 0.0
        for part in parts:
            if part.sort not in self._spent:
                return None
            spent = self._spent[part.sort][self.machine(part.sort)]
            amount, seconds = map(sum, zip(*spent))
            total += part.amount * seconds / amount
        return total
