"""Runs kept as rows: what `results/` holds of them, small enough to be committed.

    STUDY/runs.csv          a row per run: its configuration, result and provenance
    STUDY/windows.csv.gz    loss, c and scale, averaged over windows of 20 steps
    STUDY/epochs.csv.gz     the tests after each epoch

The tables need runs.csv alone and come out as from the run directories; curves keep the
windows' means, which is what is drawn of them.
"""

import contextlib
import dataclasses
import gzip
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pandas as pd

from experiments.config import RunConfig
from experiments.errors import UserError
from experiments.files import replacing
from experiments.rundir import WINDOW, Run

_CONFIG = [field.name for field in dataclasses.fields(RunConfig)]
# A column with gaps comes back as floats.
_WHOLE = {n for n, t in get_type_hints(RunConfig).items() if t in (int, int | None)}
_RESULT = (
    "status",
    "average_last_loss",
    "test_accuracy",
    "collapsed",
    "steps",
    "seconds",
    "params_sha256",
)
_META = ("started", "commit", "command")
_NESTED = ("machine", "versions")


def write(runs: Iterable[Run], study: Path) -> None:
    """Write the three files of a study, runs in the order of their names.

    runs.csv is replaced last and says which runs there are. Whoever reads before that,
    or after this was killed, finds all of them in the other two, which may hold more.

    Raises:
      UserError: it cannot be written; what is there stays.
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
            # Left in the opposite order: runs.csv takes its name last.
            part = parts.enter_context(replacing(study / "runs.csv"))
            table.to_csv(part, index=False, encoding="utf-8", lineterminator="\n")
            for name, frame in frames.items():
                part = parts.enter_context(replacing(study / name))
                # No time of day and no other name: the same bytes each time.
                with (
                    open(part, "wb") as raw,
                    gzip.GzipFile(name, "wb", fileobj=raw, mtime=0) as file,
                ):
                    frame.to_csv(
                        file,
                        mode="wb",
                        index=False,
                        float_format="%.6g",
                        lineterminator="\n",
                        encoding="utf-8",
                    )
    except OSError as error:
        raise UserError(
            f"cannot write the study {study} ({error}); its rows are as they were"
        ) from error


def read(study: Path) -> list[Run]:
    """The runs of a study; a file that is missing or damaged is named.

    `steps` has the windows' means, each repeated for the steps it stands for.
    """
    try:
        table = pd.read_csv(study / "runs.csv", float_precision="round_trip")
        parts = {
            name: dict(list(pd.read_csv(study / f"{name}.csv.gz").groupby("run")))
            for name in ("windows", "epochs")
        }
        return [
            _run(study, row, parts["windows"][row["run"]], parts["epochs"][row["run"]])
            for row in table.to_dict("records")
        ]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(
            f"{study} does not hold the rows of a study: {error}"
        ) from error


def studies(root: Path) -> list[Path]:
    """The studies at or below a directory, by name."""
    return sorted(path.parent for path in root.rglob("runs.csv"))


def _row(run: Run) -> dict[str, Any]:
    row = {"run": run.config.run_id} | dataclasses.asdict(run.config)
    row |= {name: run.result[name] for name in _RESULT}
    row |= {name: run.meta.get(name) for name in _META}
    row["command"] = without_places(str(row["command"]))
    return row | {name: json.dumps(run.meta.get(name)) for name in _NESTED}


def without_places(command: str) -> str:
    """A command without what says where files lay on the machine that ran it."""
    places = r" --(out|cache-dir|data-dir|init-from)[ =](?:'[^']*'|\S+)"
    return re.sub(places, "", command)


def _run(
    study: Path, row: dict[str, Any], windows: pd.DataFrame, epochs: pd.DataFrame
) -> Run:
    # A field that is younger than the rows has its default.
    config = {name: _plain(row[name]) for name in _CONFIG if name in row}
    for name in _WHOLE & {name for name in config if config[name] is not None}:
        config[name] = int(config[name])
    meta = {name: _plain(row[name]) for name in _META}
    meta |= {name: json.loads(row[name]) for name in _NESTED}
    steps = windows.loc[windows.index.repeat(windows["steps"])].drop(columns="run")
    steps = steps.reset_index(drop=True).drop(columns="steps")
    steps.insert(0, "step", np.arange(1, len(steps) + 1))
    return Run(
        path=study / row["run"],
        config=RunConfig.from_dict(config),
        meta=meta,
        result={name: row[name] for name in _RESULT},
        steps=steps,
        epochs=epochs.drop(columns="run").reset_index(drop=True),
    )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def _windows(run: Run) -> pd.DataFrame:
    """A row per window of 20 steps; an epoch's last one may be shorter."""
    steps = run.steps
    within = steps.groupby("epoch").cumcount() // WINDOW
    groups = steps.groupby([steps["epoch"], within])
    means = groups[["loss", "c", "scale"]].mean()
    means.insert(0, "steps", groups.size())
    return means.reset_index(level=1, drop=True).reset_index()


def merged(old: Sequence[Run], new: Sequence[Run]) -> list[Run]:
    """Both together.

    Raises:
      UserError: a run of the same configuration stands in both with another result.
    """
    by_identity = {run.config.run_id: run for run in old}
    for run in new:
        name = run.config.run_id
        there = by_identity.setdefault(name, run)
        if there.result["params_sha256"] != run.result["params_sha256"]:
            raise UserError(
                f"{name} is among the rows already, with another result: "
                "delete its row to replace it"
            )
    return list(by_identity.values())
