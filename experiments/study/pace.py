"""How long the parts that are missing take, at the pace of finished ones."""

import contextlib
import statistics
from collections.abc import Mapping, Sequence
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
    amounts: dict[str, float] = {}
    for part in parts:
        amounts[part.sort] = amounts.get(part.sort, 0) + part.amount
    for place in (out, study.committed):
        paces = _paces(study, place)
        if amounts.keys() <= paces.keys():
            seconds = sum(n * paces[sort][0] for sort, n in amounts.items())
            machines = dict.fromkeys(paces[sort][1] for sort in amounts)
            of = f"of results/{place.name} ({'; '.join(machines)})"
            at = "here" if place == out else of
            return f"{in_words(seconds)}, at the pace of the finished parts {at}"
    return "the time is not known until some of it is finished"


def _paces(study: Study, out: Path) -> Mapping[str, tuple[float, str]]:
    """The seconds per unit of each sort, on the machine with the most parts of it."""
    measured: dict[str, dict[str, list[float]]] = {}
    with contextlib.suppress(UserError):
        index = store.index(study, out)
        for part, about in index.parts.items():
            # A damaged part tells nothing.
            with contextlib.suppress(OSError, ValueError):
                rows = store.rows_of(study, out, part, about)
                sort, amount = study.size(part, index, rows)
                machines = measured.setdefault(sort, {})
                seconds = machines.setdefault(provenance.device(about), [])
                seconds.append(about.get("seconds", 0.0) / amount)
    paces = {}
    for sort, machines in measured.items():
        where = max(machines, key=lambda machine: len(machines[machine]))
        paces[sort] = statistics.fmean(machines[where]), where
    return paces
