"""The study of spin systems: its parts, its tables, and how each part is measured.

tunnelling.csv         a row per model, temperature and landscape: exact and measured
tunnelling-again.csv   the same for a second sample
search.csv.gz          a row per trial: setting, successes, seconds
spins.json             the index
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.runs import committed
from experiments.spins import options, pictures, search, tables, tunnelling
from experiments.spins.options import PARTS, Config
from experiments.spins.problems import families
from experiments.spins.search import LABELS, SHAPES
from experiments.spins.tunnelling import CASE, LANDSCAPES
from experiments.study.cases import check_names
from experiments.study.record import (
    AT_LEAST_0,
    COUNT,
    Arrays,
    Column,
    Context,
    Frames,
    Index,
    Part,
    Rows,
    Study,
    Table,
)

_MAY_LACK = Column(low=0, empty=True)
_TUNNELLING: Mapping[str, Column] = {
    "n": COUNT, "temperature": AT_LEAST_0, "exact": AT_LEAST_0, "mean": _MAY_LACK,
    "error": _MAY_LACK, "arrived": COUNT, "chains": COUNT,
    "landscape": Column(choices=LANDSCAPES),
}  # fmt: skip
_TRIAL: Mapping[str, Column] = {
    "instance": COUNT, "first": AT_LEAST_0, "last": AT_LEAST_0, "sweeps": COUNT,
    "chains": COUNT, "successes": COUNT, "seconds": AT_LEAST_0,
    "family": Column(choices=families(False)), "method": Column(choices=LABELS),
    "stage": Column(choices=("tuning", "judged")), "shape": Column(choices=SHAPES),
}  # fmt: skip
_SETTING = ("family", "method", "stage", "instance", "first", "last", "sweeps")


def _possible(trials: pd.DataFrame) -> None:
    if (trials["successes"] > trials["chains"]).any():
        raise ValueError("more successes than chains")


TABLES = {
    "tunnelling": Table("tunnelling.csv", _TUNNELLING, CASE),
    "tunnelling-again": Table("tunnelling-again.csv", _TUNNELLING, CASE),
    "search": Table("search.csv.gz", _TRIAL, _SETTING, _possible),
}


def _parts(config: Config) -> list[Part]:
    check_names("parts", config.parts, PARTS)
    sizes = options.sizes(config)
    pieces = dict.fromkeys(PARTS, len(_cases(sizes)))
    pieces["search"] = len(families(config.quick))
    return [
        Part(part, _sort(part, config.quick), 1, pieces[part]) for part in config.parts
    ]


def _cases(sizes: options.Sizes) -> list[tunnelling.Case]:
    return [
        tunnelling.Case(n, T, landscape)
        for n in sizes.spins
        for T in sizes.temperatures
        for landscape in LANDSCAPES
    ]


def _sort(part: str, quick: bool) -> str:
    """Each part is its own sort, and is measured once."""
    return f"{part}, quick" if quick else part


def measure(config: Config, part: str, context: Context) -> Frames:
    sizes = options.sizes(config)
    if part == "search":
        pieces = [
            context.kept(name, lambda: _searched(name, config, context))  # noqa: B023
            for name in families(config.quick)
        ]
    else:
        pieces = _tunnelled(part, sizes, context)
    return {part: pd.concat([pd.DataFrame(piece) for piece in pieces])}


def _searched(name: str, config: Config, context: Context) -> Arrays:
    family = families(config.quick)[name]
    context.say(f"search: {family.label}")
    return _columns(search.study(name, family, options.sizes(config)), context)


def _tunnelled(part: str, sizes: options.Sizes, context: Context) -> list[Arrays]:
    # The first case's seed, the chains of a case, and of a longer one.
    seed, chains, few = {
        "tunnelling": (3000, sizes.tunnelling_chains, 0),
        "tunnelling-again": (4000, sizes.again_chains, sizes.again_few),
    }[part]
    cases = _cases(sizes)

    def row(number: int) -> Arrays:
        case = cases[number]
        return _columns([tunnelling.row(case, chains, seed + number, few)], context)

    return [
        context.kept(str(number), lambda: row(number))  # noqa: B023
        for number in range(len(cases))
    ]


def _columns(rows: Iterable[Mapping[str, Any]], context: Context) -> Arrays:
    measured = []
    for row in rows:
        context.check()
        measured.append(row)
    return {name: np.array([row[name] for row in measured]) for name in measured[0]}


def _outline(config: Config, missing: Sequence[str]) -> list[str]:
    """A line per part."""
    sizes = options.sizes(config)
    cases = len(_cases(sizes))
    amounts = {
        "tunnelling": f"{cases} cases, {sizes.tunnelling_chains} chains each",
        "tunnelling-again": f"{cases} cases, {sizes.again_chains} chains each",
        "search": (
            f"{len(families(config.quick))} families, {sizes.settings} settings, "
            f"{sizes.instances} instances, {sizes.chains} chains each"
        ),
    }
    lines = [
        f"  {part}: {amounts[part]}{'' if part in missing else '; finished'}"
        for part in config.parts
    ]
    head = ", --quick: smaller systems" if config.quick else ""
    return [head, *lines, f"  to measure: {', '.join(missing)}"]


def _line(part: str, frames: Frames) -> str:
    column = "family" if part == "search" else "landscape"
    counts = frames[part][column].value_counts(sort=False)
    groups = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return f"{part}: {len(frames[part])} rows, by {column}: {groups}"


def _frames(rows: Rows) -> dict[str, pd.DataFrame]:
    return {part: rows[part][part] for part in PARTS if part in rows}


def _quick(index: Index) -> bool:
    return bool(index.option("quick", False))


STUDY = Study(
    name="study of spins",
    out=Path("spins"),
    index="spins.json",
    committed=committed.RESULTS / "spins",
    noun="part",
    parts=_parts,
    options=lambda config: {"quick": config.quick},
    tables=lambda part: {part: TABLES[part]},
    measure=measure,
    size=lambda part, index, frames: (_sort(part, _quick(index)), 1),
    outline=_outline,
    line=_line,
    words=lambda rows, index: tables.tables(_frames(rows), index, _quick(index)),
    pictures=lambda rows, index: pictures.pictures(_frames(rows), _quick(index)),
    title=lambda rows: "Metropolis chains on spin systems",
    captions=pictures.CAPTIONS,
)
