"""Runs the study, case by case; finished cases are not run again."""

import functools
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.config.arms import LM
from experiments.errors import UserError
from experiments.machine.progress import Progress
from experiments.machine.stopping import Stop
from experiments.runs.provenance import provenance
from experiments.runs.remaining import in_words
from experiments.runs.rows import without_places
from experiments.stability import program, rows
from experiments.stability.arms import ARMS
from experiments.stability.images import Places
from experiments.stability.options import Case, Study
from experiments.stability.tasks import TASKS


def load_images(config: Study, out: Path, places: Places) -> None:
    """Load the images of all cases that `out` lacks, so that no case fails later.

    Raises:
      UserError: a data set cannot be read, or prepared.
    """
    for task in dict.fromkeys(case.task for case in rows.missing(out, config.cases())):
        TASKS[task].images(places)


def measure(
    config: Study, out: Path, places: Places, stop: Stop, shown: Progress
) -> None:
    """Run the cases that `out` lacks, and print a line for each finished one.

    Raises:
      Stopped: on a request to stop; `out` has the finished cases.
      UserError: a case there has other seeds or learning rates, or a data set cannot
        be read.
    """
    cases, seeds = config.cases(), config.seed_numbers()
    _check(config, out, cases)
    origin = provenance()
    origin |= {"command": without_places(origin["command"])}
    # The scales that the arms of the last task and optimizer replay.
    scales: dict[tuple[str, str], np.ndarray] = {}
    train = functools.partial(program.run, places=places, compiling=shown.compiling)
    missing = rows.missing(out, cases)
    shown.line(f"{len(missing)} of {len(cases)} cases to run, {len(seeds)} seeds each")
    shown.begin("cases", len(missing))
    spent = 0.0
    for number, case in enumerate(missing, start=1):
        if stop():
            raise stop.stopped()
        began, rates = time.perf_counter(), config.rates(case)
        pair = (case.task, case.optimizer)
        replays = ARMS[case.arm].replay is not None
        if replays and pair not in scales:
            lm = train(*pair, LM.name, seeds, rates)
            scales = {pair: lm.scales}
        replayed = scales[pair] if replays else None
        outcome = train(*case, seeds, rates, replayed)
        if case.arm == LM.name:
            scales = {pair: outcome.scales}
        runs, curves = rows.frames(outcome, seeds, rates)
        seconds = time.perf_counter() - began
        rows.write_case(out, case, runs, curves, {"seconds": seconds} | origin)
        shown.advance()
        shown.line(f"{number}/{len(missing)} {case.name}: {_collapses(runs)}")
        spent += seconds
        if rest := len(missing) - number:
            shown.line(
                f"{in_words(spent / number * rest)} left, if all cases are alike"
            )


def _check(config: Study, out: Path, cases: list[Case]) -> None:
    if not rows.STUDY.known(out):
        return
    found = rows.read(out).groupby(rows.KEYS)
    there: dict[Any, Any] = dict(iter(found))
    wanted_seeds = list(config.seed_numbers())
    for case in cases:
        if (frame := there.get(tuple(case))) is None:
            continue
        seeds, rates = sorted(set(frame["seed"])), sorted(set(frame["rate"]))
        if seeds != wanted_seeds or not np.allclose(rates, config.rates(case)):
            raise UserError(
                f"{out} has {case.name} with other seeds or learning rates: continue "
                "with the options that it was started with, or choose another --out"
            )


def _collapses(runs: Any) -> str:
    counts = runs.groupby("rate")["collapsed"].sum()
    return ", ".join(f"{rate:g}: {count}" for rate, count in counts.items())
