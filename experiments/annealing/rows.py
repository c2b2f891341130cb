"""The study's rows: writing them, and reading them with all checks.

chains.csv.gz   a row per chain: its gap at the end, when it reached the target
settings.csv.gz every setting tried, its score, and which was chosen
curves.csv.gz   quartiles of the gap over the chains, evaluation by evaluation
escapes.csv     mean times over a barrier
paths.csv.gz    one chain of each diffusion on a landscape of two dimensions
about.json      sizes, machine, versions, commit, command
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.annealing.objectives import OBJECTIVES
from experiments.errors import UserError
from experiments.machine import files, untrusted
from experiments.runs import checks

PROBLEM = ["objective", "dimension"]
WORDS = {
    "langevin": "Langevin (2.2)",
    "kinetic": "kinetic (2.5)",
    "improved": "improved (2.7)",
    "improved_kinetic": "improved kinetic (2.8)",
    "descent": "gradient descent",
    "random": "random points",
}


@dataclasses.dataclass(frozen=True)
class Rows:
    """The study's tables, as in its directory."""

    chains: pd.DataFrame
    settings: pd.DataFrame
    curves: pd.DataFrame
    escapes: pd.DataFrame
    paths: pd.DataFrame
    about: dict[str, Any]


FILES = {
    "chains": "chains.csv.gz",
    "settings": "settings.csv.gz",
    "curves": "curves.csv.gz",
    "escapes": "escapes.csv",
    "paths": "paths.csv.gz",
}


# For each file: its columns of numbers, and of text.
COLUMNS = {
    "chains": ("dimension tuning chain gap evaluations", "objective method"),
    "settings": (
        "dimension tuning unit step_size initial final success median_gap",
        "objective method chosen",
    ),
    "curves": (
        "dimension evaluations quarter median three_quarters",
        "objective method",
    ),
    "escapes": (
        "share barrier temperature escapes chains mean_time exact",
        "sweep method",
    ),
    "paths": ("step x1 x2", "objective method"),
}
_WHOLE = ("dimension", "tuning", "chain", "evaluations", "escapes", "chains", "step")
_MOST_DIMENSIONS = 10_000


def write_rows(rows: Rows, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, file in FILES.items():
        with files.replacing(out / file) as part:
            files.write_frame(getattr(rows, name), part, file, float_format="%.6g")
    files.write_text(out / "about.json", json.dumps(rows.about, indent=2) + "\n")


def read_rows(out: Path) -> Rows:
    """The rows of a study; a file that is missing or damaged is named."""
    try:
        tables = {name: _frame(out, name) for name in FILES}
        about = untrusted.json_object(
            "about.json", untrusted.read_bytes(out / "about.json")
        )
        for name in ("steps", "settings", "chains"):
            size = about.get("sizes", {}).get(name)
            if type(size) is not int or not 1 <= size < 2**53:
                raise ValueError(f"about.json: sizes have no whole number of {name}")
        if not isinstance(about.get("seconds"), float):
            raise ValueError("about.json: seconds is not a number")
        return Rows(**tables, about=checks.meta(about))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{out} does not contain the rows of an annealing study: {error}"
        ) from error


def _frame(out: Path, name: str) -> pd.DataFrame:
    file = FILES[name]
    columns, texts = (each.split() for each in COLUMNS[name])
    content = untrusted.read_bytes(out / file)
    frame = untrusted.numbers(file, content, columns, texts)
    for column in set(_WHOLE) & set(columns):
        if not (frame[column].mod(1) == 0).all() or (frame[column] >= 2**53).any():
            raise ValueError(f"{file}: {column} has values other than whole numbers")
        frame[column] = frame[column].astype(int)
    known: dict[str, Any] = {
        "objective": OBJECTIVES,
        "method": WORDS,
        "dimension": range(1, _MOST_DIMENSIONS + 1),
        "chosen": ("True", "False"),
        "sweep": ("barrier", "temperature"),
    }
    untrusted.check_known(file, frame, known)
    if "chosen" in frame:
        frame["chosen"] = frame["chosen"] == "True"
    return frame


def studies(root: Path) -> list[Path]:
    """The annealing studies at or below a directory, by name."""
    return sorted(untrusted.directories_with(FILES["chains"], root))
