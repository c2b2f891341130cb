"""The study of which learning rates train: its cases, their tables and measurement.

rows/CASE.csv.gz     a row per seed and learning rate: how the run ended
curves/CASE.csv.gz   loss and scale of the first seeds, averaged over ten steps
cases.json           the index
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.runs import committed
from experiments.stability import pictures, program, tables
from experiments.stability.arms import REPLAYED, replayed
from experiments.stability.images import Places
from experiments.stability.options import CURVES_OF, Case, Config
from experiments.stability.tasks import TASKS
from experiments.study import cases
from experiments.study.record import (
    ANYTHING,
    COUNT,
    Column,
    Context,
    Frames,
    Part,
    Rows,
    Study,
)

joined = functools.partial(cases.joined, Case)
_PERCENT, _RATE = Column(low=0, high=100), Column(low=1e-12, high=1e12)
_RUN = {
    "seed": COUNT, "rate": _RATE, "test_accuracy": _PERCENT,
    "held_out_accuracy": _PERCENT, "loss": ANYTHING,
    "collapsed": Column(low=0, high=1, whole=True),
    "collapse_step": Column(low=-1, high=2**53, whole=True),
}  # fmt: skip
_CURVE = {
    "seed": COUNT, "rate": _RATE, "step": COUNT, "loss": ANYTHING,
    "scale": Column(low=0, empty=True),
}  # fmt: skip


def _parts(config: Config) -> list[Part]:
    seeds = len(config.seed_numbers())
    return [
        Part(case.name, case.task, seeds * len(config.rates(case)))
        for case in config.cases()
    ]


def _options(config: Config) -> dict[str, Any]:
    return {"seeds": len(config.seed_numbers()), "quick": config.quick}


def _prepare(config: Any, parts: Sequence[str]) -> None:
    """Load the images of all cases, so that no case fails later."""
    for task in dict.fromkeys(Case.named(part).task for part in parts):
        TASKS[task].images(Places(config.data_dir, config.cache_dir))


def measure(config: Any, part: str, context: Context) -> Frames:
    case, seeds = Case.named(part), config.seed_numbers()
    grid, pair = config.rates(case), case[:2]
    places = Places(config.data_dir, config.cache_dir)
    train = functools.partial(program.run, places=places)
    # The scales of LM runs, for the arms that replay them.
    memory, source = context.memory, replayed(case.arm)
    if source and (*pair, source) not in memory:
        lm = train(*pair, source, seeds, grid)
        memory[*pair, source] = lm.scales
    outcome = train(*case, seeds, grid, memory[*pair, source] if source else None)
    if case.arm in REPLAYED:
        memory[tuple(case)] = outcome.scales
    return frames(outcome, seeds, grid)


def frames(
    outcome: program.Outcome, seeds: Sequence[int], rates: Sequence[float]
) -> Frames:
    """A case's rows, one per run, and the curves of its first seeds."""
    columns = {
        "test_accuracy": outcome.test_accuracy,
        "held_out_accuracy": outcome.held_out_accuracy,
        "loss": program.averaged(outcome.losses)[..., -1],
        "collapsed": program.collapsed(outcome).astype(int),
        "collapse_step": program.collapse_steps(outcome),
    }
    few = slice(CURVES_OF)
    losses = outcome.losses[few]
    scales = losses * np.nan if outcome.scales is None else outcome.scales[few]
    shown = {"loss": losses, "scale": scales}
    return {
        "rows": cases.on_a_grid({"seed": seeds, "rate": rates}, columns),
        "curves": cases.curves({"seed": seeds[few], "rate": rates}, shown),
    }


def _outline(config: Config, missing: Sequence[str]) -> list[str]:
    def steps(case: Case) -> int:
        return TASKS[case.task].steps

    return cases.outline(config, missing, steps, "every second learning rate")


def _line(part: str, frames: Frames) -> str:
    runs = frames["rows"]
    return (
        f"{' '.join(Case.named(part))}: {runs['seed'].nunique()} seeds at "
        f"{runs['rate'].nunique()} rates, {int(runs['collapsed'].sum())} of "
        f"{len(runs)} collapsed"
    )


def _title(rows: Rows) -> str:
    seeds = joined(rows, "rows")["seed"].nunique()
    return f"Which learning rates train, with {seeds} paired seeds"


STUDY = Study(
    name="stability study",
    out=Path("stability"),
    index="cases.json",
    committed=committed.RESULTS / "stability",
    noun="case",
    parts=_parts,
    options=_options,
    tables=lambda part: cases.tables(Case.named(part).name, _RUN, _CURVE),
    measure=measure,
    size=lambda part, index, frames: (Case.named(part).task, len(frames["rows"])),
    outline=_outline,
    line=_line,
    words=lambda rows, index: tables.tables(joined(rows, "rows"), index.parts),
    pictures=lambda rows, index: pictures.pictures(
        joined(rows, "rows"), joined(rows, "curves")
    ),
    title=_title,
    captions=pictures.CAPTIONS,
    prepare=_prepare,
    check=functools.partial(cases.check_paired, Case),
)
