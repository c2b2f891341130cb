"""The study of language models: its cases, their tables and measurement.

rows/CASE.csv.gz     a row per seed and learning rate: losses, spikes, LM's mean scale
curves/CASE.csv.gz   loss and scale of the first seeds, averaged over ten steps
language.json        the index
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data import texts
from experiments.language import pictures, program, tables
from experiments.language.arms import ARMS, OPTIMIZERS
from experiments.language.options import Case, Config
from experiments.runs import committed
from experiments.study import cases
from experiments.study.record import (
    ANYTHING,
    COUNT,
    Arrays,
    Column,
    Context,
    Frames,
    Index,
    Part,
    Rows,
    Study,
)

CURVES_OF = 2  # seeds
joined = functools.partial(cases.joined, Case)
_RATE, _PERCENT = Column(low=1e-12, high=1e12), Column(low=0, high=100)
_SCALE = Column(low=0, empty=True)
_RUN = {
    "seed": COUNT, "rate": _RATE, "first": Column(low=0), "held_out": ANYTHING,
    "test": ANYTHING, "spikes": _PERCENT, "scale": _SCALE,
}  # fmt: skip
_CURVE = {
    "seed": COUNT, "rate": _RATE, "step": COUNT, "loss": ANYTHING, "scale": _SCALE,
}  # fmt: skip


def _sort(case: Case, quick: bool) -> str:
    return f"{case.model}{', quick' if quick else ''}"


def _parts(config: Config) -> list[Part]:
    seeds = len(config.seed_numbers())
    return [
        Part(
            case.name,
            _sort(case, config.quick),
            seeds * len(config.rates(case)),
            pieces=seeds,
        )
        for case in config.cases()
    ]


def _options(config: Config) -> dict[str, Any]:
    return {"seeds": len(config.seed_numbers()), "quick": config.quick}


def _text(name: str, data_dir: Path | None, cache_dir: Path | None) -> texts.Text:
    if name == "descriptions":
        return texts.descriptions()
    return texts.shakespeare(data_dir, cache_dir)


def _prepare(config: Any, parts: Sequence[str]) -> None:
    """Load the text, so that no case fails later."""
    if parts:
        _text(config.sizes.text, config.data_dir, config.cache_dir)


def measure(config: Any, part: str, context: Context) -> Frames:
    case, seeds, sizes = Case.named(part), config.seed_numbers(), config.sizes
    text = _text(sizes.text, config.data_dir, config.cache_dir)
    rates = config.rates(case)
    train = functools.partial(program.run, rates=rates, sizes=sizes, text=text)
    source = case._replace(arm=OPTIMIZERS[case.optimizer].source)

    def measured(seed: int) -> Arrays:
        means = None
        if ARMS[case.arm].replays:
            # The LM run's mean scales may be those of an earlier part.
            means = context.memory.get((source, seed))
            if means is None:
                means = mean_scales(train(source, seed)["scales"])
                context.check()
        return train(case, seed, means=means)

    runs = []
    for seed in seeds:
        runs.append(context.kept(str(seed), lambda: measured(seed)))  # noqa: B023
        if case == source:
            context.memory[source, seed] = mean_scales(runs[-1]["scales"])
    return frames(runs, seeds, rates, sizes.window)


def frames(
    runs: Sequence[Arrays], seeds: Sequence[int], rates: Sequence[float], window: int
) -> Frames:
    """A case's rows, one per run, and the curves of its first seeds."""
    of = {name: np.stack([run[name] for run in runs]) for name in runs[0]}
    losses = of["losses"]
    scales = of.get("scales", np.full(losses.shape, np.nan))
    columns = {
        "first": of["first"],
        "held_out": of["held_out"],
        "test": of["test"],
        "spikes": program.spikes(losses, window),
        "scale": mean_scales(scales),
    }
    few = slice(CURVES_OF)
    shown = {"loss": losses[few], "scale": scales[few]}
    return {
        "rows": cases.on_a_grid({"seed": seeds, "rate": rates}, columns),
        "curves": cases.curves({"seed": seeds[few], "rate": rates}, shown),
    }


def mean_scales(scales: np.ndarray) -> np.ndarray:
    """(…, steps) to (…,)"""
    return scales.mean(axis=-1, dtype=np.float64)


def _outline(config: Config, missing: Sequence[str]) -> list[str]:
    def steps(case: Case) -> int:
        return config.sizes.steps

    return cases.outline(config, missing, steps, "another text, fewer steps and rates")


def _line(part: str, frames: Frames) -> str:
    runs = frames["rows"]
    return (
        f"{' '.join(Case.named(part))}: {runs['seed'].nunique()} seeds at "
        f"{runs['rate'].nunique()} rates, best mean held-out loss "
        f"{runs.groupby('rate')['held_out'].mean().min():.3f}"
    )


def _quick(index: Index) -> bool:
    return bool(index.option("quick", False))


def _size(part: str, index: Index, frames: Frames) -> tuple[str, float]:
    return _sort(Case.named(part), _quick(index)), len(frames["rows"])


def _words(rows: Rows, index: Index) -> str:
    return tables.tables(joined(rows, "rows"), index.parts, _quick(index))


STUDY = Study(
    name="study of language models",
    out=Path("language"),
    index="language.json",
    committed=committed.RESULTS / "language",
    noun="case",
    parts=_parts,
    options=_options,
    tables=lambda part: cases.tables(Case.named(part).name, _RUN, _CURVE),
    measure=measure,
    size=_size,
    outline=_outline,
    line=_line,
    words=_words,
    pictures=lambda rows, index: pictures.pictures(joined(rows, "rows")),
    title=lambda rows: "Language models over learning rates",
    captions=pictures.CAPTIONS,
    prepare=_prepare,
    check=functools.partial(cases.check_paired, Case),
)
