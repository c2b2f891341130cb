"""Shows what the study would measure, and about how long that takes; writes nothing."""

from pathlib import Path

from experiments.annealing import escape, parts, search, study
from experiments.annealing.options import Study
from experiments.annealing.rows import read_rows
from experiments.errors import UserError
from experiments.machine.stopping import Stop
from experiments.runs import committed, provenance
from experiments.runs.remaining import in_words

COMMITTED = committed.RESULTS / "annealing"


def lines(config: Study, out: Path, resume: bool) -> list[str]:
    """Print what there is to measure, then the time.

    Raises:
      UserError: `resume` without a study to continue, or one with other options.
    """
    tunings = set(study.tunings(config))
    places = len(config.barriers) + len(config.temperatures)
    escapes = {f"escape-{i}" for i in range(places * len(escape.CASES))}
    found = [
        f"{out}: {len(config.objectives)} objectives, {len(config.dimensions)} "
        f"dimensions, {len(search.ALL)} methods",
        f"  {len(tunings)} tunings of {config.settings} settings, {config.chains} "
        f"chains of {config.steps:,} evaluations; {len(escapes)} mean times of escape",
    ]
    kept: set[str] = set()
    if resume:
        begun = parts.Parts(out, parts.options_of(config), True, Stop())
        kept = (tunings | escapes) & begun.kept()
        found.append(
            f"  finished: {len(kept & tunings)} tunings, {len(kept & escapes)} times"
        )
    left = len(tunings | escapes) - len(kept)
    if kept:
        seconds = begun.seconds / len(kept) * left
        time = f"{in_words(seconds)}, at the pace of the finished parts here"
    else:
        time = _at_the_committed_pace(config, len(tunings))
    return [*found, f"  to measure: {left}; {time}"]


def _at_the_committed_pace(config: Study, tunings: int) -> str:
    """By the number of evaluations: the escapes take their share of the time."""
    try:
        rows = read_rows(COMMITTED)
    except UserError:
        return "the time is not known until some of it is finished"
    sizes = rows.about["sizes"]
    evaluations = len(rows.chains) * sizes["settings"] * sizes["steps"]
    wanted = tunings * config.chains * config.settings * config.steps
    seconds = rows.about["seconds"] * wanted / evaluations
    where = provenance.device(rows.about)
    return f"{in_words(seconds)}, at the pace of results/{COMMITTED.name} ({where})"
