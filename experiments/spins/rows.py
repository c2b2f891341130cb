"""The study's rows: writing them, and reading them with all checks.

tunnelling.csv         a row per model, temperature and landscape: exact and measured
tunnelling-again.csv   the same for a second sample
search.csv.gz          a row per trial: setting, successes, seconds
speed.csv              a row per problem, program and repetition
spins.json             seconds, machine, versions, commit and command of each part
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.runs import committed
from experiments.runs.studies import Kind
from experiments.spins.options import PARTS
from experiments.spins.problems import families
from experiments.spins.search import LABELS, SHAPES
from experiments.spins.tunnelling import LANDSCAPES

STUDY = Kind("study of spins", "spins.json", committed.RESULTS / "spins")
FILES = {part: f"{part}.csv" for part in PARTS} | {"search": "search.csv.gz"}
# For each file: its columns of numbers, and of text.
_TUNNELLING = ("n temperature exact mean error arrived chains", "landscape")
COLUMNS = {
    "tunnelling": _TUNNELLING,
    "tunnelling-again": _TUNNELLING,
    "search": (
        "instance first last sweeps chains successes seconds",
        "family method stage shape",
    ),
    "speed": ("n repetition chains sweeps wall processor", "problem program"),
}
CASE = ["n", "temperature", "landscape"]
_KEYS = {
    "tunnelling": CASE,
    "tunnelling-again": CASE,
    "search": ["family", "method", "stage", "instance", "first", "last", "sweeps"],
    "speed": ["problem", "program", "repetition"],
}
_MAY_LACK = ("mean", "error")


def write_part(
    out: Path, part: str, rows: list[dict[str, Any]], about: dict[str, Any]
) -> None:
    STUDY.write(out, part, about, {FILES[part]: pd.DataFrame(rows)})


def missing(out: Path, parts: Iterable[str]) -> list[str]:
    """The parts that the study lacks, in order."""
    return STUDY.missing(out, {part: FILES[part] for part in parts})


def read(out: Path) -> dict[str, pd.DataFrame]:
    """The rows of each finished part.

    Raises:
      UserError: a file is missing, damaged, or belongs to no part.
    """
    with STUDY.reading(out):
        parts = {p: _frame(out, p) for p in PARTS if (out / FILES[p]).exists()}
    if not parts or not set(parts) <= set(STUDY.known(out)):
        raise UserError(f"{out} holds no finished part of a study of spins")
    return parts


def _frame(out: Path, part: str) -> pd.DataFrame:
    file = FILES[part]
    columns, texts = (each.split() for each in COLUMNS[part])
    frame = untrusted.numbers(file, untrusted.read_bytes(out / file), columns, texts)
    for column in columns:
        if column not in _MAY_LACK and not (frame[column] >= 0).all():
            raise ValueError(
                f"{file}: {column} has values other than numbers of at least 0"
            )
    names: dict[str, Any] = {
        "landscape": LANDSCAPES,
        "family": families(False),
        "method": LABELS,
        "stage": ("tuning", "judged"),
        "shape": SHAPES,
        "problem": ("sparse", "dense"),
    }
    untrusted.check_known(file, frame, names)
    if frame.duplicated(_KEYS[part]).any():
        raise ValueError(f"{file} has a row twice")
    if part == "search" and (frame["successes"] > frame["chains"]).any():
        raise ValueError(f"{file}: more successes than chains")
    return frame
