"""The study of which learning rates train: its cases, their tables and measurement.

rows/CASE.csv.gz     a row per seed and learning rate: how the run ended
curves/CASE.csv.gz   loss and scale of the first seeds, averaged over ten steps
cases.json           the index
"""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.config.arms import LM
from experiments.report import style
from experiments.runs import committed
from experiments.stability import pictures, program, tables
from experiments.stability.arms import ARMS
from experiments.stability.images import Places
from experiments.stability.options import Case, Plan
from experiments.stability.rows import frames, joined
from experiments.stability.tasks import TASKS, rates
from experiments.study import cases
from experiments.study.record import (
    ANYTHING,
    COUNT,
    Column,
    Context,
    Frames,
    Index,
    Part,
    Rows,
    Study,
    Table,
)

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


def _tables(part: str) -> Mapping[str, Table]:
    name = Case.named(part).name
    return {
        "curves": Table(f"curves/{name}.csv.gz", _CURVE, ("seed", "rate", "step")),
        "rows": Table(f"rows/{name}.csv.gz", _RUN, ("seed", "rate")),
    }


def _parts(config: Plan) -> list[Part]:
    seeds = len(config.seed_numbers())
    return [
        Part(case.name, case.task, seeds * len(config.rates(case)))
        for case in config.cases()
    ]


def _options(config: Plan) -> dict[str, Any]:
    return {"seeds": len(config.seed_numbers()), "quick": config.quick}


def _recall(index: Index, rows: Rows) -> dict[str, Any]:
    """The seeds and the grid of rates of finished cases."""
    for name, of_case in rows.items():
        runs, case = of_case["rows"], Case.named(name)
        grid = len(rates(case.task, case.optimizer))
        quick = runs["rate"].nunique() < grid
        return {"seeds": runs["seed"].nunique(), "quick": quick}
    return {}


def _prepare(config: Any, parts: Sequence[str]) -> None:
    """Load the images of all cases, so that no case fails later."""
    for task in dict.fromkeys(Case.named(part).task for part in parts):
        TASKS[task].images(Places(config.data_dir, config.cache_dir))


def measure(config: Any, part: str, context: Context) -> Frames:
    case, seeds = Case.named(part), config.seed_numbers()
    grid, pair = config.rates(case), case[:2]
    train = functools.partial(
        program.run,
        places=Places(config.data_dir, config.cache_dir),
        compiling=context.compiling,
    )
    replays = ARMS[case.arm].replay is not None
    # The scales of the last LM runs, for the arms that replay them.
    if replays and pair not in context.memory:
        lm = train(*pair, LM.name, seeds, grid)
        context.memory.clear()
        context.memory[pair] = lm.scales
    outcome = train(*case, seeds, grid, context.memory[pair] if replays else None)
    if case.arm == LM.name:
        context.memory.clear()
        context.memory[pair] = outcome.scales
    runs, curves = frames(outcome, seeds, grid)
    return {"rows": runs, "curves": curves}


def _check(rows: Rows) -> None:
    """Arms of a task and an optimizer must have the same seeds at the same rates."""
    for table in ("rows", "curves"):
        runs: dict[tuple[str, ...], set[tuple[float, float]]] = {}
        for name, of_case in rows.items():
            task, optimizer, _ = Case.named(name)
            frame = of_case[table]
            seen = set(zip(frame["seed"], frame["rate"]))
            if len(seen) < frame["seed"].nunique() * frame["rate"].nunique():
                raise ValueError(f"{name} lacks a seed at a learning rate")
            if runs.setdefault((task, optimizer), seen) != seen:
                raise ValueError(
                    f"the arms of {task} with {optimizer} differ in their seeds or "
                    "learning rates"
                )


def _outline(config: Plan, missing: Sequence[str]) -> list[str]:
    """A line for each task and optimizer."""

    def heading(case: Case) -> str:
        grid, steps = len(config.rates(case)), TASKS[case.task].steps
        return f"{case.task} {case.optimizer}, {grid} rates, {steps} steps"

    quick = ", --quick: every second learning rate" if config.quick else ""
    head = f" of {len(config.seed_numbers())} seeds{quick}"
    runs: Counter[str] = Counter()
    for part in _parts(config):
        runs[part.sort] += int(part.amount) * (part.name in missing)
    steps = sum(count * TASKS[task].steps for task, count in runs.items())
    lines = cases.outlined(config.cases(), missing, heading)
    return [head, *lines, cases.left(missing, runs.total(), steps)]


def _line(part: str, frames: Frames) -> str:
    runs = frames["rows"]
    return (
        f"{' '.join(Case.named(part))}: {runs['seed'].nunique()} seeds at "
        f"{runs['rate'].nunique()} rates, {int(runs['collapsed'].sum())} of "
        f"{len(runs)} collapsed"
    )


def _draw(rows: Rows, index: Index, out: Path, drawing: style.Drawing) -> None:
    pictures.draw(joined(rows, "rows"), joined(rows, "curves"), out, drawing)


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
    tables=_tables,
    measure=measure,
    size=lambda part, index, frames: (Case.named(part).task, len(frames["rows"])),
    outline=_outline,
    line=_line,
    words=lambda rows, index: tables.tables(joined(rows, "rows"), index.parts),
    draw=_draw,
    title=_title,
    captions=pictures.CAPTIONS,
    prepare=_prepare,
    recall=_recall,
    check=_check,
)
