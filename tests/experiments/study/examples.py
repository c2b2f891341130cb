"""Small studies for the tests: the registered ones, and that of docs/extending.md."""

import contextlib
import dataclasses
import importlib.util
import sys
from typing import NamedTuple

from experiments.batches import scenarios
from experiments.batches.remedies import REMEDIES
from experiments.commands import cli
from experiments.language import options as language
from experiments.spins import options as spins
from experiments.stability import options as stability
from experiments.stability import tasks
from experiments.study import registry
from tests.docs.snippets import ROOT, blocks


class Example(NamedTuple):
    """A command line of a study.

    Attributes:
      argv: of all its parts.
      fewer: options for some of its parts only; None if there is but one.
      other: options with which it must not be resumed.
    """

    argv: tuple[str, ...]
    fewer: tuple[str, ...] | None
    other: tuple[str, ...]


EXAMPLES = {
    "walks": Example(("--walks", "50"), ("--steps", "4"), ("--walks", "60")),
    "stability": Example(("--seeds", "2"), ("--arms", "lm"), ("--seeds", "3")),
    "batches": Example(
        ("--quick", "--seeds", "2"), ("--scenarios", "inputs2"), ("--seeds", "3")
    ),
    "spins": Example(
        ("--quick", "--parts", "tunnelling", "tunnelling-again"),
        ("--parts", "tunnelling"),
        ("--no-quick",),
    ),
    "language": Example(
        ("--quick", "--seeds", "2"), ("--arms", "lm_after"), ("--seeds", "3")
    ),
    "anneal": Example(
        (
            "--objectives", "rastrigin", "--dimensions", "2", "--steps", "40",
            "--chains", "6", "--settings", "2", "--tunings", "1", "--records", "4",
            "--barriers", "0.5", "--temperatures", "0.5", "--escape-steps", "100",
        ),
        None,
        ("--tunings", "2"),
    ),
}  # fmt: skip


NO_NUMBER = {"x": "", "nan": "", "": ""}
COUNT = {"0": "must be at least 1", "-1": "must be at least 1", "1.5": "", **NO_NUMBER}
ABOVE_0 = {"0": "must be greater than 0", "-1": "must be greater than 0", **NO_NUMBER}
SEVERAL = ABOVE_0 | {None: "", "1 1": "1"}
FLAG = ([None], {"yes": ""})
# Of each option: values that are taken; values that are not, with what is said. A value
# may be several words, or None.
COMMON = {
    "out": (["new", "~/new"], {"file": "cannot write a ", "": ""}),
    "resume": ([None], {"yes": "", "--overwrite": "exclude each other"}),
    **dict.fromkeys(("overwrite", "dry-run"), FLAG),
    "time-budget": (["0.5"], ABOVE_0),
    "cache-dir": (["."], {"": ""}),
}
VALUES = {
    "stability": {
        "tasks": (
            ["mlp6 rnn"],
            {
                "mlp7": "--tasks 'mlp7': choose from mlp6",
                "rnn --quick": "--tasks rnn is not part of --quick",
            },
        ),
        "optimizers": (["adagrad"], {"adamw": "--optimizers 'adamw': choose from sgd"}),
        "arms": (
            ["lm_sqrt"],
            {
                "momentum": "--arms 'momentum': choose from base",
                "momo --optimizers adagrad": "--arms momo is for sgd, adam only",
                "polyak --optimizers adam": "--arms polyak is for sgd only",
            },
        ),
        "seeds": (["1", "5 --quick"], COUNT),
        "quick": FLAG,
        "data-dir": (["."], {"": ""}),
    },
    "batches": {
        "networks": (["mlp rnn"], {"mpl": "--networks 'mpl': choose from mlp"}),
        "optimizers": (
            ["sgd"],
            {
                "adagrad": "--optimizers 'adagrad': choose from sgd, adam",
                "sgd --networks transformer": "none of the plan's cases",
            },
        ),
        "scenarios": (["none shift"], {"some": "--scenarios 'some': choose from"}),
        "seeds": (["1", "5 --quick"], COUNT),
        "quick": FLAG,
    },
    "spins": {
        "parts": (
            ["search", "tunneling"],
            {"tuneling": "--parts 'tuneling': choose from tunnel"},
        ),
        "quick": FLAG,
    },
    "language": {
        "models": (["lstm"], {"gru": "--models 'gru': choose from transformer, lstm"}),
        "optimizers": (
            ["adabelief"],
            {
                "sgd": "--optimizers 'sgd': choose from adamw, adabelief",
                "adabelief --models transformer": "no case of the plan",
            },
        ),
        "arms": (
            ["lm_c0 warmup"],
            {
                "momo": "--arms 'momo': choose from base",
                "warmup --quick": "--arms 'warmup': choose from base, lm,",
            },
        ),
        "seeds": (["1", "5 --quick"], COUNT),
        "quick": FLAG,
        "data-dir": (["."], {"": ""}),
    },
    "anneal": {
        "objectives": (["levy ackley"], {"rastrign": "unknown objective 'rastrign'"}),
        "dimensions": (["3 10"], SEVERAL | {"1.5": ""}),
        "steps": (["100"], {"70": "must be a multiple of --records 50", **COUNT}),
        "records": (["20"], {"3": "must be a multiple of --records 3", **COUNT}),
        **dict.fromkeys(("barriers", "temperatures"), (["0.1 2"], SEVERAL)),
        **dict.fromkeys(("chains", "settings", "tunings"), (["3"], COUNT)),
        "escape-steps": (["3"], COUNT),
    },
}


@contextlib.contextmanager
def at_reduced_scale(folder):
    """Registers the example of the documentation, and makes the others small."""
    folder.mkdir(exist_ok=True)
    file = folder / "walks.py"
    (block,) = (b for b in blocks(ROOT / "docs/extending.md") if "STUDY = " in b.code)
    file.write_text(block.code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("experiments.walks", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    entry = registry.Entry(spec.name, spec.name, "how often walks return")
    before = registry.STUDIES, cli.COMMANDS, stability.PLAN, spins.QUICK
    all_remedies, steps = dict(REMEDIES), scenarios.STEPS
    language_before = language.QUICK, language.QUICK_PLAN
    registry.STUDIES = {"walks": entry, **registry.STUDIES}
    cli.COMMANDS = {"walks": (entry.command, entry.text), **cli.COMMANDS}
    stability.PLAN = (("mlp6", ("sgd",), ("base", "lm", "shuffled_scale")),)
    short = dataclasses.replace(tasks.TASKS["mlp6"], steps=20)
    whole = tasks.TASKS["mlp6"]
    tasks.TASKS["mlp6"] = short
    scenarios.STEPS = 20
    for name in all_remedies.keys() - {"base", "lm", "clip"}:
        del REMEDIES[name]
    spins.QUICK = spins.Sizes(
        spins=(6,), temperatures=(0.9,), tunnelling_chains=20, again_chains=30,
        again_few=0, chains=8, settings=1, training=1, instances=2, sweeps=(16,),
        speed_chains=8, speed_sweeps=1, repetitions=1,
    )  # fmt: skip
    language.QUICK = language.Sizes(
        "descriptions", seeds=2, steps=20, warmup=4, batch=2, every=3, window=10,
        judged=4, shape=language.Shape(context=8, width=4, hidden=4),
    )  # fmt: skip
    language.QUICK_PLAN = (("lstm", "adamw", ("base", "lm_after", "mean_after")),)
    try:
        yield
    finally:
        language.QUICK, language.QUICK_PLAN = language_before
        registry.STUDIES, cli.COMMANDS, stability.PLAN, spins.QUICK = before
        tasks.TASKS["mlp6"] = whole
        scenarios.STEPS = steps
        REMEDIES.clear()
        REMEDIES.update(all_remedies)  # in their order, which tables follow
        del sys.modules[spec.name]
