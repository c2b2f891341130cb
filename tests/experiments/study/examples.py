"""Small studies for the tests: the registered ones, and that of docs/extending.md."""

import contextlib
import dataclasses
import importlib.util
import sys
from typing import NamedTuple

import pytest

from experiments.annealing import escape, measure, pictures, search
from experiments.batches import scenarios
from experiments.batches import study as batches
from experiments.commands import cli
from experiments.language import options as language
from experiments.spins import options as spins
from experiments.spins import tunnelling
from experiments.stability import options as stability
from experiments.stability import tasks
from experiments.study import registry
from tests.docs.snippets import ROOT, blocks


class Example(NamedTuple):
    """A command line of a study, and options with which it must not be resumed."""

    argv: tuple[str, ...]
    other: tuple[str, ...]


EXAMPLES = {
    "walks": Example(("--walks", "50"), ("--walks", "60")),
    "stability": Example(("--seeds", "2"), ("--seeds", "3")),
    "batches": Example(("--quick", "--seeds", "2"), ("--seeds", "3")),
    "spins": Example(
        ("--quick", "--parts", "tunnelling", "tunnelling-again"), ("--no-quick",)
    ),
    "language": Example(("--quick", "--seeds", "2"), ("--seeds", "3")),
    "anneal": Example(
        (
            "--objectives", "rastrigin", "--dimensions", "2", "--steps", "40",
            "--chains", "6", "--settings", "2", "--tunings", "1", "--records", "4",
            "--barriers", "0.5", "--temperatures", "0.5", "--escape-steps", "100",
        ),
        ("--tunings", "2"),
    ),
}  # fmt: skip
WALKS = ["walks", "--walks", "50", "--out"]


def _add_walks(folder, patch):
    """Registers the example of the documentation."""
    folder.mkdir(exist_ok=True)
    file = folder / "walks.py"
    (block,) = (b for b in blocks(ROOT / "docs/extending.md") if "STUDY = " in b.code)
    file.write_text(block.code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("experiments.walks", file)
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    entry = registry.Entry(spec.name, spec.name, "how often walks return")
    patch.setattr(registry, "STUDIES", {"walks": entry, **registry.STUDIES})
    commands = {"walks": (entry.command, entry.text), **cli.COMMANDS}
    patch.setattr(cli, "COMMANDS", commands)


@contextlib.contextmanager
def at_reduced_scale(folder):
    with pytest.MonkeyPatch.context() as patch:
        _add_walks(folder, patch)
        plan = (("mlp6", ("sgd",), ("base", "lm", "shuffled_scale")),)
        patch.setattr(stability, "PLAN", plan)
        short = dataclasses.replace(tasks.TASKS["mlp6"], steps=20)
        patch.setitem(tasks.TASKS, "mlp6", short)
        patch.setattr(scenarios, "STEPS", 20)
        few = {name: batches.REMEDIES[name] for name in ("base", "lm", "clip")}
        patch.setattr(batches, "REMEDIES", few)
        sizes = spins.Sizes(
            spins=(6,), temperatures=(0.9,), tunnelling_chains=20, again_chains=30,
            again_few=0, chains=8, settings=1, training=1, instances=2, sweeps=(16,),
        )  # fmt: skip
        patch.setattr(spins, "QUICK", sizes)
        for name in list(tunnelling.LANDSCAPES)[2:]:
            patch.delitem(tunnelling.LANDSCAPES, name)
        sizes = language.Sizes(
            "descriptions", seeds=2, steps=20, warmup=4, batch=2, every=3, window=10,
            judged=4, shape=language.Shape(context=8, width=4, hidden=4),
        )  # fmt: skip
        patch.setattr(language, "QUICK", sizes)
        plan = (("lstm", "adamw", ("base", "lm_after", "mean_after")),)
        patch.setattr(language, "QUICK_PLAN", plan)
        methods = {name: measure.METHODS[name] for name in ("langevin", "improved")}
        for module in (measure, pictures):
            patch.setattr(module, "METHODS", methods)
        patch.setattr(search, "ALL", (*methods, search.RANDOM))
        patch.setattr(escape, "CASES", escape.CASES[:2])
        yield
