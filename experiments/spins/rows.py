"""The study's rows: written, and read with every check there is.

tunnelling.csv   a row per model, temperature and landscape: exact and measured times
search.csv.gz    a row per trial: setting, successes, seconds
speed.csv        a row per problem, program and repetition
spins.json       of each part: seconds, machine, versions, commit, command
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.errors import UserError
from experiments.machine import files, untrusted
from experiments.runs import checks
from experiments.spins.options import PARTS
from experiments.spins.problems import families
from experiments.spins.search import LABELS, SHAPES
from experiments.spins.tunnelling import LANDSCAPES

ABOUT = "spins.json"
FILES = {part: f"{part}.csv" for part in PARTS} | {"search": "search.csv.gz"}
# Of each: its columns of numbers, and those of text.
COLUMNS = {
    "tunnelling": ("n temperature exact mean error arrived chains", "landscape"),
    "search": (
        "instance first last sweeps chains successes seconds",
        "family method stage shape",
    ),
    "speed": ("n repetition chains sweeps wall processor", "problem program"),
}
_KEYS = {
    "tunnelling": ["n", "temperature", "landscape"],
    "search": ["family", "method", "stage", "instance", "first", "last", "sweeps"],
    "speed": ["problem", "program", "repetition"],
}
_MAY_LACK = ("mean", "error")


def write_part(
    out: Path, part: str, rows: list[dict[str, Any]], about: dict[str, Any]
) -> None:
    """Write a part's rows last: they say that it is finished."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(known(out) | {part: about}, indent=1)
    files.write_text(out / ABOUT, text + "\n")
    with files.replacing(out / FILES[part]) as path:
        files.write_frame(pd.DataFrame(rows), path, FILES[part], float_format="%.6g")


def finished(out: Path, part: str) -> bool:
    return (out / FILES[part]).exists()


def known(out: Path) -> dict[str, Any]:
    """What is known of each part of a directory; empty without a study."""
    if not (out / ABOUT).exists():
        return {}
    try:
        found = untrusted.json_object(ABOUT, untrusted.read_bytes(out / ABOUT))
        return {name: checks.meta(about) for name, about in found.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{out} holds no sound study of spins: {error}") from error


def read(out: Path) -> dict[str, pd.DataFrame]:
    """The rows of each finished part.

    Raises:
      UserError: a file is missing, damaged or nobody's.
    """
    try:
        parts = {part: _frame(out, part) for part in PARTS if finished(out, part)}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{out} does not contain the rows of a study of spins: {error}"
        ) from error
    if not parts or not set(parts) <= set(known(out)):
        raise UserError(f"{out} holds no finished part of a study of spins")
    return parts


def _frame(out: Path, part: str) -> pd.DataFrame:
    file = FILES[part]
    columns, texts = (each.split() for each in COLUMNS[part])
    frame = untrusted.numbers(file, untrusted.read_bytes(out / file), columns, texts)
    for column in columns:
        if column not in _MAY_LACK and not (frame[column] >= 0).all():
            raise ValueError(f"{file}: {column} has other than numbers of at least 0")
    names: dict[str, Any] = {
        "landscape": LANDSCAPES,
        "family": families(False),
        "method": LABELS,
        "stage": ("tuning", "judged"),
        "shape": SHAPES,
        "problem": ("sparse", "dense"),
    }
    for column in set(names) & set(frame):
        if not frame[column].isin(list(names[column])).all():
            raise ValueError(f"{file}: {column} has an unknown value")
    if frame.duplicated(_KEYS[part]).any():
        raise ValueError(f"{file}: a row is there twice")
    if part == "search" and (frame["successes"] > frame["chains"]).any():
        raise ValueError(f"{file}: more successes than chains")
    return frame


def studies(root: Path) -> list[Path]:
    """The studies of spins at or below a directory, by name."""
    return sorted(untrusted.directories_with(ABOUT, root))
