"""The study of the annealing methods, problem by problem, on all cores.

chains.csv.gz   a row per chain: its gap at the end, when it reached the target
settings.csv.gz every setting tried, its score, and which was chosen
curves.csv.gz   quartiles of the gap over the chains, evaluation by evaluation
escapes.csv     mean times over a barrier
paths.csv.gz    one chain of each diffusion on a landscape of two dimensions
about.json      the index
"""

from collections.abc import Sequence
from pathlib import Path

from experiments.annealing import escape, measure, pictures, search, tables
from experiments.annealing.options import Config
from experiments.annealing.rows import PART, TABLES
from experiments.runs import committed
from experiments.study.record import Frames, Index, Part, Study

ESCAPE = 150_000  # steps until all chains are over a barrier, the mean of ours


def _parts(config: Config) -> list[Part]:
    config.check()
    tunings = len(list(measure.tunings(config)))
    evaluations = tunings * config.chains * config.settings * config.steps
    times = _escapes(config)
    amount = _amount(evaluations, times, config.chains, config.escape_steps)
    return [Part(PART, "evaluations", amount, tunings + times)]


def _amount(tuning: float, times: int, chains: int, escape_steps: int) -> float:
    """Evaluations: those of the tunings, and about those of the escapes."""
    return tuning + times * chains * min(escape_steps, ESCAPE)


def _escapes(config: Config) -> int:
    return len(measure.places(config)) * len(escape.CASES)


def _size(part: str, index: Index, frames: Frames) -> tuple[str, float]:
    sizes = index.study["options"]
    evaluations = len(frames["chains"]) * sizes["settings"] * sizes["steps"]
    times = len(frames["escapes"])
    amount = _amount(evaluations, times, sizes["chains"], sizes["escape_steps"])
    return "evaluations", amount


def _outline(config: Config, missing: Sequence[str]) -> list[str]:
    tunings, times = len(list(measure.tunings(config))), _escapes(config)
    return [
        f", {len(config.objectives)} objectives, {len(config.dimensions)} dimensions, "
        f"{len(search.ALL)} methods",
        f"  {tunings} tunings of {config.settings} settings, {config.chains} chains of "
        f"{config.steps:,} evaluations; {times} mean times of escape",
        f"  to measure: {tunings} tunings, {times} times",
    ]


STUDY = Study(
    name="study of the annealing methods",
    out=Path("annealing"),
    index="about.json",
    committed=committed.RESULTS / "annealing",
    noun="part",
    parts=_parts,
    options=Config.options,
    tables=lambda part: {PART: TABLES}[part],
    measure=lambda config, part, context: measure.measure(config, context),
    size=_size,
    outline=_outline,
    line=lambda part, frames: f"{part}: {len(frames['chains']):,} chains",
    words=lambda rows, index: tables.tables(rows[PART], index),
    pictures=lambda rows, index: pictures.pictures(
        rows[PART], index.study["options"]["steps"]
    ),
    title=lambda rows: "The annealing methods on objectives with known minima",
    captions=pictures.CAPTIONS,
)
