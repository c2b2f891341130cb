"""The study of bad and rare batches: its cases, their tables and measurement.

rows/CASE.csv.gz     a row per arm, strength and seed: how the run ended
curves/CASE.csv.gz   for a shift: loss per arm and strength, averaged over ten steps
batches.json         the index
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.batches import pictures, program, tables
from experiments.batches.networks import RATES
from experiments.batches.options import FAULTS, RARE, SCENARIOS, STEPS, Case, Config
from experiments.batches.remedies import REMEDIES
from experiments.runs import committed
from experiments.stability.program import averaged
from experiments.study import cases
from experiments.study.record import (
    ANYTHING,
    AT_LEAST_0,
    COUNT,
    Column,
    Context,
    Frames,
    Part,
    Rows,
    Study,
    Table,
)

joined = functools.partial(cases.joined, Case)
_ARM = {"arm": Column(choices=REMEDIES), "strength": AT_LEAST_0}
_PERCENT, _SHARE = Column(low=0, high=100), Column(low=0, empty=True)
_RUN = _ARM | {
    "seed": COUNT, "test_accuracy": _PERCENT, "rare_accuracy": _PERCENT,
    "held_out_accuracy": _PERCENT, "loss": ANYTHING, "left_marked": _SHARE,
    "left_others": _SHARE,
}  # fmt: skip
_CURVE = _ARM | {"step": COUNT, "loss": ANYTHING}


def arms(case: Case, quick: bool) -> dict[str, tuple[float, ...]]:
    """The strengths of a case's arms; of plain runs that choose it, learning rates."""
    if case.scenario == "rates":
        return {"base": RATES[case.optimizer]}
    return {
        name: tuple(
            x
            for number, x in enumerate(remedy.strengths)
            if not quick or number % 2 == 0 or x == remedy.default
        )
        for name, remedy in REMEDIES.items()
        if remedy.serves(case.optimizer, SCENARIOS[case.scenario].shift)
    }


def _tables(part: str) -> Mapping[str, Table]:
    case = Case.named(part)
    rows = Table(f"rows/{case.name}.csv.gz", _RUN, ("arm", "strength", "seed"))
    if not SCENARIOS[case.scenario].shift:
        return {"rows": rows}
    curves = f"curves/{case.name}.csv.gz"
    return {"curves": Table(curves, _CURVE, ("arm", "strength", "step")), "rows": rows}


def _runs(case: Case, quick: bool) -> int:
    return sum(map(len, arms(case, quick).values()))


def _sort(case: Case) -> str:
    batch = SCENARIOS[case.scenario].batch
    return f"{case.network} {case.optimizer}, batches of {batch}"


def _parts(config: Config) -> list[Part]:
    return [
        Part(
            case.name,
            _sort(case),
            seeds * _runs(case, config.quick),
            len(arms(case, config.quick)),
        )
        for case, seeds in config.cases().items()
    ]


def _options(config: Config) -> dict[str, Any]:
    return {"seeds": config.seeds or "the plan's", "quick": config.quick}


def measure(config: Config, part: str, context: Context) -> Frames:
    case = Case.named(part)
    seeds, shift = config.seed_numbers(case), SCENARIOS[case.scenario].shift
    runs, curves = [], []
    for arm, strengths in arms(case, config.quick).items():

        def trained(arm: str = arm, strengths: Any = strengths) -> dict[str, Any]:
            rates = strengths if case.scenario == "rates" else None
            return program.run(case, arm, seeds, strengths, rates)._asdict()

        outcome = context.kept(arm, trained)
        losses = outcome["losses"]
        columns = {name: x for name, x in outcome.items() if name in _RUN}
        columns["loss"] = averaged(losses)[..., -1]
        columns = {name: x.astype(float).round(4) for name, x in columns.items()}
        table = cases.on_a_grid({"seed": seeds, "strength": strengths}, columns)
        runs.append(table.assign(arm=arm)[[*_RUN]])
        means = {"loss": losses.mean(axis=0, dtype=np.float64)}
        of_arm = cases.curves({"strength": strengths}, means).assign(arm=arm)
        curves.append(of_arm[[*_CURVE]].round({"loss": 4}))
    frames = {"rows": pd.concat(runs, ignore_index=True)}
    if shift:
        frames["curves"] = pd.concat(curves, ignore_index=True)
    return frames


def _check(rows: Rows) -> None:
    """All arms of a case have the same seeds, as have the cases of one frontier."""
    seeds: dict[tuple[str, ...], set[int]] = {}
    for name, of_case in rows.items():
        case, runs = Case.named(name), of_case["rows"]
        for _, own in runs.groupby(["arm", "strength"]):
            of_frontier = case.scenario in (FAULTS, RARE)
            key = (*case[:2], "" if of_frontier else case.scenario)
            if seeds.setdefault(key, set(own["seed"])) != set(own["seed"]):
                raise ValueError(f"{name} has other seeds in some arms or scenarios")


def _outline(config: Config, missing: Sequence[str]) -> list[str]:
    """A line for each network and optimizer."""
    lines = cases.outlined(config.cases(), missing, lambda case: " ".join(case[:2]))
    runs = sum(int(p.amount) for p in _parts(config) if p.name in missing)
    left = cases.left(missing, runs, runs * STEPS)
    return [f", {STEPS} steps each", *lines, left]


def _line(part: str, frames: Frames) -> str:
    runs = frames["rows"]
    means = runs.groupby(["arm", "strength"])["test_accuracy"].mean()
    return (
        f"{' '.join(Case.named(part))}: {runs['seed'].nunique()} seeds, "
        f"{len(means)} arms and strengths, accuracy {means.min():.1f} to "
        f"{means.max():.1f}%"
    )


STUDY = Study(
    name="study of bad batches",
    out=Path("batches"),
    index="batches.json",
    committed=committed.RESULTS / "batches",
    noun="case",
    parts=_parts,
    options=_options,
    tables=_tables,
    measure=measure,
    size=lambda part, index, frames: (_sort(Case.named(part)), len(frames["rows"])),
    outline=_outline,
    line=_line,
    words=lambda rows, index: tables.tables(joined(rows, "rows"), index.parts),
    pictures=lambda rows, index: pictures.pictures(
        joined(rows, "rows"), joined(rows, "curves")
    ),
    title=lambda rows: "What remedies for bad batches do to rare ones",
    captions=pictures.CAPTIONS,
    check=_check,
)
