"""What studies have in common whose parts are cases, named by three words each.

A `Case` is a NamedTuple of a network, an optimizer and what is compared, such as an
arm; its `name` joins them by hyphens.
"""

import operator
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from experiments.errors import UserError
from experiments.study.record import Rows

if TYPE_CHECKING:
    import pandas as pd

Case = TypeVar("Case", bound=tuple)


def named(kind: type[Case], name: str, *known: Container[str]) -> Case:
    """The case of that name; raises ValueError if one of its words is not known."""
    words = name.split("-")
    if len(words) != len(known) or not all(map(operator.contains, known, words)):
        raise ValueError(f"unknown case {name!r}")
    return kind(*words)


def check_names(option: str, names: Iterable[str] | None, known: Iterable[str]) -> None:
    """Raise UserError for a name that an option does not know."""
    known = list(known)
    for name in names or ():
        if name not in known:
            raise UserError(f"--{option} {name!r}: choose from {', '.join(known)}")


def check_seeds(seeds: int | None) -> None:
    """Raise UserError for a number of seeds below 1."""
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds must be at least 1, got {seeds}")


def outlined(
    cases: Iterable[Any], missing: Container[str], heading: Callable[[Any], str]
) -> list[str]:
    """A line of a dry run for each network and optimizer.

    Args:
      missing: names of cases.
      heading: one of its cases to how the line begins.
    """
    groups: dict[Any, list[Any]] = {}
    for case in cases:
        groups.setdefault(case[:2], []).append(case)
    lines = []
    for alike in groups.values():
        done = [case[2] for case in alike if case.name not in missing]
        line = f"  {heading(alike[0])}: {' '.join(case[2] for case in alike)}"
        lines.append(line + (f"; finished: {' '.join(done)}" if done else ""))
    return lines


def left(missing: Sequence[str], runs: int, steps: int) -> str:
    """The last line of a dry run."""
    return f"  to measure: {len(missing)} cases, {runs:,} runs, {steps:,} steps"


def lacking(
    planned: Sequence[Any],
    finished: Mapping[str, Any],
    words: Callable[[Any], tuple[str, str]],
    of: str = "",
) -> str:
    """The cases of the plan that are not finished, as Markdown.

    Args:
      words: a case to its heading in the list, and what it is called under it.
      of: what the plan is restricted to.
    """
    rest: dict[str, list[str]] = {}
    for case in planned:
        if case.name not in finished:
            heading, label = words(case)
            rest.setdefault(heading, []).append(label)
    if not rest:
        return "Every case of the plan has been run.\n"
    count = sum(map(len, rest.values()))
    head = f"Of the plan's {len(planned)} cases{of}, {count} have not run:\n"
    lines = [f"- {heading}: {'; '.join(labels)}" for heading, labels in rest.items()]
    return "\n".join([head, *lines]) + "\n"


def joined(kind: Any, rows: Rows, table: str) -> "pd.DataFrame":
    """A table's rows of all cases that have it, with the words of a case first."""
    import pandas as pd

    keys = kind._fields
    frames = [
        of_case[table].assign(**kind.named(name)._asdict())
        for name, of_case in rows.items()
        if table in of_case
    ]
    if not frames:
        return pd.DataFrame(columns=keys)
    whole = pd.concat(frames, ignore_index=True)
    return whole[[*keys, *(name for name in whole if name not in keys)]]
