"""What is committed under results/, as the templates in `claims/` name it.

Tables are read from `tables.md`, which other tests compare with the rows.
"""

import functools
import json
import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from tests.docs.snippets import ROOT

RESULTS = ROOT / "results"
CARD = "stability-h100"
NETWORKS = {
    "mlp6": "MLP, 6 layers",
    "mlp12": "MLP, 12 layers",
    "mlp24": "MLP, 24 layers",
    "rnn": "recurrent",
    "conv10": "convolutional, 10 layers",
    "cifar10": "CIFAR-10, convolutional, 10 layers",
}
SEVERAL = ("mlp12", "mlp6", "rnn")  # networks on which several norms were tried
SECOND = (*SEVERAL, "mlp24")  # networks of the second edition
EDITIONS = {"cifar10": "stability-cifar10", **dict.fromkeys(SECOND, "stability-2")}
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


class Interval(NamedTuple):
    """A number and the ends of its interval.

    As text, with two digits: `{x}` is "1.00", `{x:ends}` "0.90 to 1.10", `{x:()}`
    "1.00 times (0.90 to 1.10)", `{x:,}` "1.00 times, 0.90 to 1.10". `{x:1()}` has one.
    """

    value: float
    low: float
    high: float

    def __format__(self, style: str) -> str:
        digits = int(style[0]) if style[:1].isdigit() else 2
        value, *ends = (f"{x:.{digits}f}" for x in self)
        between = " to ".join(ends)
        return {
            "": value,
            "ends": between,
            "()": f"{value} times ({between})",
            ",": f"{value} times, {between}",
        }[style.lstrip("0123456789")]

    def __neg__(self) -> "Interval":
        return Interval(-self.value, -self.high, -self.low)


class Range(NamedTuple):
    """The smallest and the largest of some numbers: `{x:.1f}` is "0.9 to 1.1"."""

    low: float
    high: float

    @classmethod
    def of(cls, values) -> "Range":
        values = list(values)
        return cls(min(values), max(values))

    def __format__(self, style: str) -> str:
        low = f"{self.low:{style}}".removesuffix("%")
        return f"{low} to {self.high:{style}}"


class Count(int):
    """`{x:no}` is "no" or "one"."""

    def __format__(self, style: str) -> str:
        return ("no", "one")[self] if style == "no" else super().__format__(style)


def cell(study: str, heading: str, row: str | list[str], column: str) -> str:
    """The only cell in such a row, named by its first cells, below such a heading."""
    row = [row] if isinstance(row, str) else row
    cells = [
        values[column]
        for title, table in _tables(study)
        if title == heading and column in table
        for _, values in table.iterrows()
        if values.iloc[: len(row)].tolist() == row
    ]
    if len(cells) != 1:
        raise LookupError(f"{len(cells)} cells: {study}, {heading}, {row}, {column}")
    return cells[0]


@functools.cache
def _tables(study: str) -> list[tuple[str, pd.DataFrame]]:
    tables, heading, lines = [], "", []
    for line in [*(RESULTS / study / "tables.md").read_text("utf-8").splitlines(), ""]:
        if line.startswith("|"):
            lines.append([x.strip() for x in line.strip("|").split("|")])
        elif lines:
            tables.append((heading, pd.DataFrame(lines[2:], columns=lines[0])))
            lines = []
        if line.startswith("#"):
            heading = line.lstrip("# ")
    return tables


def search(unit: str) -> dict[tuple[str, str], str]:
    """By family and method, the spin search's cells beside Metropolis, in a unit."""
    column = {"sweeps": 6, "seconds": 8}[unit]
    return {
        (heading.split(",")[0], row.iloc[0]): row.iloc[column]
        for heading, table in _tables("spins")
        if table.columns[0] == "Method"
        for _, row in table.iterrows()
    }


def numbers(text: str) -> list[float]:
    return [float(x.replace(",", "")) for x in _NUMBER.findall(text)]


def interval(text: str) -> Interval:
    """The first three numbers of a cell."""
    return Interval(*numbers(text)[:3])


def p(text: str) -> float:
    """The p of a cell, or its bound."""
    return float(re.search(r"p <? ?([\d.]+)", text)[1])


def stability(case: str, column: str) -> str:
    """A cell of a stability study: network, optimizer, and an arm or comparison.

    It is the newest edition's that has measured the network; `first-mlp12` is the first
    edition's.
    """
    network, optimizer, row = case.split(" ", 2)
    name = network.removeprefix("first-")
    study = EDITIONS.get(network, "stability")
    return cell(study, f"{NETWORKS[name]}, {optimizer}", row, column)


@functools.cache
def frame(path: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / path)


def runs(case: str, rate: str | None = None, study="stability", part="rows"):
    """A stability case's rows, or those at a learning rate."""
    rows = frame(f"{study}/{part}/{case}.csv.gz")
    return rows if rate is None else rows[np.isclose(rows["rate"], float(rate))]


def epochs(study: str) -> pd.DataFrame:
    columns = ["run", "optimizer", "arm", "seed"]
    rows = frame(f"{study}/runs.csv")[columns]
    return frame(f"{study}/epochs.csv.gz").merge(rows)


def of_arm(study: str, optimizer: str, arm: str) -> pd.DataFrame:
    """An arm's runs, by seed."""
    rows = frame(f"{study}/runs.csv").query("optimizer == @optimizer and arm == @arm")
    return rows.set_index("seed").sort_index()


@functools.cache
def record(name: str):
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def by_model(name: str) -> dict[str, dict]:
    return {row["model"]: row for row in record(f"performance/{name}")["rows"]}
