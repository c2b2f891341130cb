"""All studies, by their commands."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from experiments.study.record import Study


class Entry(NamedTuple):
    """Where a study is, in modules that are imported only when needed.

    Attributes:
      command: the module with the command's Config and run.
      study: the module with the Study, as STUDY.
      text: what it does, for the list of commands.
    """

    command: str
    study: str
    text: str


STUDIES: Mapping[str, Entry] = {
    "anneal": Entry(
        "experiments.annealing.options",
        "experiments.annealing.study",
        "the study of the annealing methods",
    ),
    "stability": Entry(
        "experiments.stability.options",
        "experiments.stability.study",
        "which learning rates train",
    ),
    "batches": Entry(
        "experiments.batches.options",
        "experiments.batches.study",
        "what remedies for bad batches do to rare ones",
    ),
    "spins": Entry(
        "experiments.spins.options",
        "experiments.spins.study",
        "Metropolis chains on spin systems",
    ),
    "language": Entry(
        "experiments.language.options",
        "experiments.language.study",
        "language models over learning rates",
    ),
}


def study(command: str) -> "Study":
    return importlib.import_module(STUDIES[command].study).STUDY


def studies() -> "list[Study]":
    return [study(command) for command in STUDIES]
