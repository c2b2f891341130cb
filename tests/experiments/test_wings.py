"""Imports go one way through the wings of experiments, and nowhere in a circle."""

import ast
import graphlib
from pathlib import Path

import pytest

import experiments
from experiments.study import registry

ROOT = Path(experiments.__file__).parent
# Each wing, and those that it may import beside the modules at the top.
MAY_IMPORT = {
    "machine": set(),
    "data": {"machine"},
    "config": {"data", "machine"},
    "train": {"config", "data", "machine"},
    "runs": {"train", "config", "data", "machine"},
    "report": {"runs", "config", "machine"},
    "study": {"report", "runs", "config", "machine"},
    "annealing": {"study", "report", "runs", "config", "machine"},
    "spins": {"study", "report", "runs", "config", "machine"},
    "batches": {"stability", "study", "report", "runs", "config", "data", "machine"},
    "stability": {"study", "report", "runs", "config", "data", "machine"},
    "language": {"study", "report", "runs", "config", "data", "machine"},
}
MAY_IMPORT["commands"] = set(MAY_IMPORT)
# A study in one module may import what the studies with a folder may.
SMALL_STUDIES = {entry.study for entry in registry.STUDIES.values()}
FILES = sorted(ROOT.rglob("*.py"))
# What a report reads of a run: its directory and its rows, and the checks of both.
READ_BY_REPORTS = {"run_directory", "rows", "provenance"}


def module(file):
    parts = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module(file) for file in FILES}


def imported(file):
    """The modules of experiments that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.append(inner if inner in MODULES else node.module)
        yield from (name for name in names if name.split(".")[0] == "experiments")


def wing(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 2 else None


@pytest.mark.parametrize("file", FILES, ids=module)
def test_imports_go_to_the_wings_below(file):
    mine = wing(module(file)) if file.name != "__init__.py" else file.parent.name
    if file.parent == ROOT:
        mine = None
    for name in imported(file):
        theirs = wing(name)
        allowed = MAY_IMPORT.get(mine, set()) | {mine, None}
        if module(file) == "experiments.__main__":
            allowed = {"commands"}
        if module(file) in SMALL_STUDIES:
            allowed |= MAY_IMPORT["spins"]
        assert theirs in allowed, f"{module(file)} imports {name}"
        if (mine, theirs) == ("report", "runs"):
            assert name.split(".")[2] in READ_BY_REPORTS, name


def test_there_is_no_circle():
    graph = {module(file): set(imported(file)) - {module(file)} for file in FILES}
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names one
