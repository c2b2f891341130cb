"""The study's rows, one file per case: written atomically, and read with all checks.

rows/CASE.csv.gz     a row per seed and learning rate: how the run ended
curves/CASE.csv.gz   loss and scale of the first seeds, averaged over ten steps
cases.json           seconds, machine, versions, commit and command of each case
"""

from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.config.optimizers import OPTIMIZERS
from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.runs import committed
from experiments.runs.studies import Kind
from experiments.stability import program
from experiments.stability.arms import ARMS
from experiments.stability.options import Case
from experiments.stability.tasks import TASKS

STUDY = Kind("stability study", "cases.json", committed.RESULTS / "stability")
CURVES_OF = 3  # seeds
EVERY = 10  # steps
KEYS = ["task", "optimizer", "arm"]
_RUN = (
    "seed", "rate", "test_accuracy", "held_out_accuracy", "loss", "collapsed",
    "collapse_step",
)  # fmt: skip
_CURVE = ("seed", "rate", "step", "loss", "scale")


def frames(
    outcome: program.Outcome, seeds: Any, rates: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A case's rows, one per run, and its curves."""
    seed, rate = np.meshgrid(seeds, rates, indexing="ij")
    columns = {
        "seed": seed,
        "rate": rate,
        "test_accuracy": outcome.test_accuracy,
        "held_out_accuracy": outcome.held_out_accuracy,
        "loss": program.averaged(outcome.losses)[..., -1],
        "collapsed": program.collapsed(outcome).astype(int),
        "collapse_step": program.collapse_steps(outcome),
    }
    runs = pd.DataFrame({name: x.ravel() for name, x in columns.items()})
    few = slice(CURVES_OF)
    curves = {"loss": outcome.losses[few]}
    curves["scale"] = outcome.losses[few] * np.nan
    if outcome.scales is not None:
        curves["scale"] = outcome.scales[few]
    steps = outcome.losses.shape[-1] // EVERY
    means = {
        name: x[..., : steps * EVERY]
        .reshape(*x.shape[:-1], steps, EVERY)
        .mean(axis=-1, dtype=np.float64)
        for name, x in curves.items()
    }
    places = np.meshgrid(
        list(seeds)[few], rates, EVERY * np.arange(1, steps + 1), indexing="ij"
    )
    table = dict(zip(("seed", "rate", "step"), places, strict=True)) | means
    return runs, pd.DataFrame({name: x.ravel() for name, x in table.items()})


def write_case(
    out: Path,
    case: Case,
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    about: dict[str, Any],
) -> None:
    frames = {_file("curves", case): curves, _file("rows", case): runs}
    STUDY.write(out, case.name, about, frames)


def missing(out: Path, cases: Iterable[Case]) -> list[Case]:
    """The cases that the study lacks, in order."""
    of_name = {case.name: case for case in cases}
    last = {name: _file("rows", case) for name, case in of_name.items()}
    return [of_name[name] for name in STUDY.missing(out, last)]


def read(out: Path, folder: str = "rows") -> pd.DataFrame:
    """All finished cases' rows (or curves), with the columns KEYS first.

    Raises:
      UserError: a file is missing, damaged, or belongs to no case.
    """
    parts = []
    with STUDY.reading(out):
        for name in STUDY.known(out):
            case = Case(*name.split("-"))
            known: tuple[Container[str], ...] = (TASKS, OPTIMIZERS, ARMS)
            if not all(part in of for part, of in zip(case, known, strict=True)):
                raise ValueError(f"{STUDY.index}: unknown case {name!r}")
            if not (out / _file("rows", case)).exists():  # killed just before
                continue
            path = out / _file(folder, case)
            columns = _RUN if folder == "rows" else _CURVE
            frame = untrusted.numbers(path.name, untrusted.read_bytes(path), columns)
            keys = ["seed", "rate", "step"] if folder == "curves" else ["seed", "rate"]
            if frame[keys].isna().any(axis=None) or frame.duplicated(keys).any():
                raise ValueError(f"{path.name}: a run is missing or there twice")
            frame["seed"] = frame["seed"].astype(int)
            if folder == "rows":
                if not frame["collapsed"].isin([0, 1]).all():
                    raise ValueError(f"{path.name}: collapsed is neither 0 nor 1")
                if frame["test_accuracy"].isna().any():
                    raise ValueError(f"{path.name}: a test accuracy is missing")
                frame["collapsed"] = frame["collapsed"] == 1
            parts.append(frame.assign(**dict(zip(KEYS, case, strict=True))))
    if not parts:
        raise UserError(f"{out} holds no finished case of a stability study")
    whole = pd.concat(parts, ignore_index=True)
    _check_paired(out, whole)
    return whole[[*KEYS, *(c for c in whole if c not in KEYS)]]


def _check_paired(out: Path, whole: pd.DataFrame) -> None:
    """Check that arms of a task and optimizer have the same seeds at the same rates."""
    for (task, optimizer), found in whole.groupby(["task", "optimizer"]):
        arms = found.drop_duplicates(["arm", "seed", "rate"])
        complete = (
            found["arm"].nunique() * found["seed"].nunique() * found["rate"].nunique()
        )
        # Curves have several rows per run.
        if len(arms) != complete:
            raise UserError(
                f"{out}: the arms of {task} with {optimizer} differ in their seeds or "
                "learning rates"
            )


def _file(folder: str, case: Case) -> str:
    return f"{folder}/{case.name}.csv.gz"
