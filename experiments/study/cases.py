"""What studies have in common whose parts are cases, named by three words each.

A `Case` is a NamedTuple of a network, an optimizer and what is compared, such as an
arm; its `name` joins them by hyphens.
"""

import operator
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from experiments.errors import UserError
from experiments.study.record import Column, Rows, Table

if TYPE_CHECKING:
    import pandas as pd

Case = TypeVar("Case", bound=tuple)
EVERY = 10  # steps that a point of a curve averages


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


def selected(
    planned: Iterable[Case], **options: tuple[Iterable[str], Iterable[str] | None]
) -> list[Case]:
    """The planned cases whose words are all among those that were asked for.

    Args:
      options: for each word of a case, those that its option knows, and those that
        were asked for; none for all.

    Raises:
      UserError: a word is not known, or no case is left that has it.
    """
    for option, (known, names) in options.items():
        check_names(option, names, known)
    asked = [names for _, names in options.values()]
    chosen = [
        case
        for case in planned
        if all(not names or word in names for word, names in zip(case, asked))
    ]
    for place, option in enumerate(options):
        for name in asked[place] or ():
            if not any(case[place] == name for case in chosen):
                raise UserError(
                    f"--{option} {name}: the plan has no such case with the other "
                    "options"
                )
    return chosen


def check_seeds(seeds: int | None) -> None:
    """Raise UserError for a number of seeds below 1."""
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds must be at least 1, got {seeds}")


def tables(
    name: str, runs: Mapping[str, Column], curves: Mapping[str, Column]
) -> dict[str, Table]:
    """The tables of a case whose runs differ in seed and learning rate."""
    keys = ("seed", "rate")
    return {
        "curves": Table(f"curves/{name}.csv.gz", curves, (*keys, "step")),
        "rows": Table(f"rows/{name}.csv.gz", runs, keys),
    }


def check_paired(kind: Any, rows: Rows) -> None:
    """Raise ValueError unless cases of equal first words share seeds and rates."""
    seen: dict[Any, set[tuple[int, float]]] = {}
    for name, of_case in rows.items():
        for table, frame in of_case.items():
            pairs = set(zip(frame["seed"], frame["rate"]))
            if len(pairs) < frame["seed"].nunique() * frame["rate"].nunique():
                raise ValueError(f"{name} lacks a seed at a learning rate")
            first, second, _ = kind.named(name)
            if seen.setdefault((table, first, second), pairs) != pairs:
                raise ValueError(
                    f"the arms of {first} with {second} differ in their seeds or "
                    "learning rates"
                )


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


def outline(
    config: Any, missing: Sequence[str], steps: Callable[[Any], int], quick: str
) -> list[str]:
    """A dry run of a study whose cases have seeds and learning rates.

    Args:
      steps: the steps of a case's runs.
      quick: what --quick does.
    """
    seeds, cases = len(config.seed_numbers()), config.cases()

    def heading(case: Any) -> str:
        rates = len(config.rates(case))
        return f"{case[0]} {case[1]}, {rates} rates, {steps(case)} steps"

    lines = outlined(cases, missing, heading)
    to_do = [case for case in cases if case.name in missing]
    runs = [seeds * len(config.rates(case)) for case in to_do]
    total = sum(number * steps(case) for number, case in zip(runs, to_do))
    head = f" of {seeds} seeds{f', --quick: {quick}' if config.quick else ''}"
    return [head, *lines, left(missing, sum(runs), total)]


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


def on_a_grid(
    axes: Mapping[str, Any], values: Mapping[str, np.ndarray]
) -> "pd.DataFrame":
    """Rows of arrays over a grid, with their places on it first."""
    import pandas as pd

    places = np.meshgrid(*axes.values(), indexing="ij")
    columns = dict(zip(axes, places)) | dict(values)
    return pd.DataFrame({name: x.ravel() for name, x in columns.items()})


def curves(axes: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> "pd.DataFrame":
    """Rows of arrays over a grid and the steps of runs, averaged over EVERY steps."""
    whole = min(x.shape[-1] for x in values.values()) // EVERY
    means = {
        name: x[..., : whole * EVERY]
        .reshape(*x.shape[:-1], whole, EVERY)
        .mean(axis=-1, dtype=np.float64)
        for name, x in values.items()
    }
    return on_a_grid({**axes, "step": EVERY * np.arange(1, whole + 1)}, means)


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
