"""Runs kept as rows in `results/`, small enough to commit.

    STUDY/runs.csv          a row per run: its configuration, result and provenance
    STUDY/windows.csv.gz    loss, c and scale, averaged over windows of 20 steps
    STUDY/epochs.csv.gz     the tests after each epoch

The tables need only runs.csv and are the same as from run directories. The curves keep
the windows' means, and only these are drawn.
"""

import contextlib
import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd

from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.machine.files import replacing, write_frame
from experiments.runs import checks
from experiments.runs.run_directory import EPOCH_COLUMNS, WINDOW, Run

_CONFIG = get_type_hints(RunConfig)
_RESULT: Mapping[str, type] = {
    "status": str,
    "average_last_loss": float,
    "test_accuracy": float,
    "collapsed": bool,
    "steps": int,
    "seconds": float,
    "params_sha256": str,
}
_WINDOW_COLUMNS = ("epoch", "steps", "loss", "c", "scale")
_META = ("started", "commit", "command")
_NESTED = ("machine", "versions")


def write(runs: Iterable[Run], study: Path) -> None:
    """Write the three files of a study, runs in the order of their names.

    runs.csv, which lists the runs, is replaced last. A reader before that, or after a
    kill, finds all of its runs in the other two files, which may have more.

    Raises:
      UserError: it cannot be written; existing files stay.
    """
    runs = sorted(runs, key=lambda run: run.config.run_id)
    frames = {
        f"{name}.csv.gz": pd.concat(
            [frame(run).assign(run=run.config.run_id) for run in runs]
        )
        for name, frame in (("windows", _windows), ("epochs", lambda run: run.epochs))
    }
    table = pd.DataFrame([_row(run) for run in runs])
    try:
        study.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as parts:
            # Context managers exit in reverse order: runs.csv is renamed last.
            part = parts.enter_context(replacing(study / "runs.csv"))
            write_frame(table, part, "runs.csv")
            for name, frame in frames.items():
                part = parts.enter_context(replacing(study / name))
                write_frame(frame, part, name, float_format="%.6g")
    except OSError as error:
        raise UserError(
            f"cannot write the study {study} ({error}); its rows are as they were"
        ) from error


def read(study: Path) -> list[Run]:
    """The runs of a study; a file that is missing, damaged or changed is named.

    `steps` has the windows' means, each repeated for the steps of its window.
    """
    try:
        table = untrusted.records("runs.csv", untrusted.read_bytes(study / "runs.csv"))
        windows = _parts(study, "windows", _WINDOW_COLUMNS)
        epochs = _parts(study, "epochs", EPOCH_COLUMNS)
        if not table:
            raise ValueError("runs.csv has no rows")
        if len({row.get("run") for row in table}) < len(table):
            raise ValueError("runs.csv has a run twice")
        return [_run(study, row, windows, epochs) for row in table]
    except (OSError, ValueError, RecursionError, UserError) as error:
        raise UserError(
            f"{study} does not contain the rows of a study: {error}"
        ) from error


def _parts(study: Path, name: str, columns: Sequence[str]) -> dict[str, pd.DataFrame]:
    file = f"{name}.csv.gz"
    content = untrusted.read_bytes(study / file)
    frame = untrusted.numbers(file, content, columns, texts=["run"])
    return {str(run): part for run, part in frame.groupby("run")}


def studies(root: Path) -> list[Path]:
    """The studies at or below a directory, by name."""
    return sorted(untrusted.directories_with("runs.csv", root))


def _row(run: Run) -> dict[str, Any]:
    if missing := [name for name in _RESULT if name not in run.result]:
        raise UserError(
            f"{run.path} cannot be stored as a row: its result.json has no "
            f"{', '.join(missing)}"
        )
    row = {"run": run.config.run_id} | dataclasses.asdict(run.config)
    row |= {name: run.result[name] for name in _RESULT}
    row |= {name: run.meta.get(name) for name in _META}
    row["command"] = without_places(str(row["command"]))
    return row | {name: json.dumps(run.meta.get(name)) for name in _NESTED}


def without_places(command: str) -> str:
    """A command without the options that are paths on the machine that ran it."""
    options = "out|cache[-_]dir|data[-_]dir|init[-_]from|tensorboard"
    word = r"""(?:'[^']*'|"[^"]*"|[^\s'"])+"""
    return re.sub(rf" --({options})[ =]{word}", "", command)


def _run(
    study: Path,
    row: dict[str, str],
    windows: dict[str, pd.DataFrame],
    epochs: dict[str, pd.DataFrame],
) -> Run:
    wanted = ["run", *_RESULT, *_META, *_NESTED]
    if missing := [name for name in wanted if name not in row]:
        raise ValueError(f"runs.csv has no column {', '.join(missing)}")
    name = row["run"]
    # A field that was added after the rows has its default.
    values = {n: _parsed(n, row[n], _CONFIG[n]) for n in _CONFIG if n in row}
    config = RunConfig.from_dict(values)
    if name != config.run_id:
        raise ValueError(f"{name}: its configuration is that of {config.run_id}")
    for file, parts in (("windows", windows), ("epochs", epochs)):
        if name not in parts:
            raise ValueError(f"{file}.csv.gz has no rows of {name}")
    steps, tests = _steps(windows[name]), epochs[name].drop(columns="run")
    result = {n: _parsed(n, row[n], kind) for n, kind in _RESULT.items()}
    try:
        # The rows were rounded to six digits.
        checks.measured(config, result, steps, tests, rtol=2e-5)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    meta: dict[str, Any] = {n: row[n] or None for n in _META}
    meta |= {n: json.loads(row[n] or "null") for n in _NESTED}
    return Run(
        path=study / name,
        config=config,
        meta=checks.meta(meta),
        result=result,
        steps=steps.astype({"epoch": int}),
        epochs=tests.astype({"epoch": int}).reset_index(drop=True),
    )


def _steps(windows: pd.DataFrame) -> pd.DataFrame:
    lengths = windows["steps"]
    if not lengths.isin(range(1, WINDOW + 1)).all():
        raise ValueError(f"windows.csv.gz: a window is of 1 to {WINDOW} steps")
    steps = windows.loc[windows.index.repeat(lengths.astype(int))]
    steps = steps.drop(columns=["run", "steps"]).reset_index(drop=True)
    steps.insert(0, "step", np.arange(1, len(steps) + 1))
    return steps


def _parsed(name: str, text: str, kind: Any) -> Any:
    """A cell as its column's type; None if empty."""
    kinds = get_args(kind) or (kind,)
    if text == "" and float in kinds and type(None) not in kinds:
        return math.nan  # of a run that diverged
    if text == "":
        return None
    try:
        if bool in kinds:
            return {"True": True, "False": False}[text]
        if int in kinds:
            number = float(text)  # a column with gaps has floats
            if number != int(number) or abs(number) >= 2**53:
                raise ValueError
            return int(number)
        return float(text) if float in kinds else text
    except (KeyError, ValueError, OverflowError) as error:
        raise ValueError(f"runs.csv: {name} cannot be {text[:60]!r}") from error


def _windows(run: Run) -> pd.DataFrame:
    """A row per window of 20 steps; an epoch's last one may be shorter."""
    steps = run.steps
    within = steps.groupby("epoch").cumcount() // WINDOW
    groups = steps.groupby([steps["epoch"], within])
    means = groups[["loss", "c", "scale"]].mean()
    means.insert(0, "steps", groups.size())
    return means.reset_index(level=1, drop=True).reset_index()
