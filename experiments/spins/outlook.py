"""Shows what the study would measure, and about how long that takes; writes nothing."""

from pathlib import Path

from experiments.spins import options, rows
from experiments.spins.options import Study
from experiments.spins.problems import families
from experiments.spins.tunnelling import LANDSCAPES


def lines(config: Study, out: Path) -> list[str]:
    """One line per part, then the time."""
    sizes = options.sizes(config)
    cases = len(sizes.spins) * len(sizes.temperatures) * len(LANDSCAPES)
    amounts = {
        "tunnelling": f"{cases} cases, {sizes.tunnelling_chains} chains each",
        "tunnelling-again": f"{cases} cases, {sizes.again_chains} chains each",
        "search": (
            f"{len(families(config.quick))} families, {sizes.settings} settings, "
            f"{sizes.instances} instances, {sizes.chains} chains each"
        ),
        "speed": (
            f"{sizes.repetitions} repetitions of {sizes.speed_sweeps} sweeps, "
            f"{sizes.speed_chains} chains"
        ),
    }
    missing = rows.missing(out, config.parts)
    found = [f"{out}: {', '.join(config.parts)}"]
    for part in config.parts:
        done = "" if part in missing else "; finished"
        found.append(f"  {part}: {amounts[part]}{done}")
    if not missing:
        return [*found, "  nothing is left to measure"]
    time = "under a minute on two cores"
    if not config.quick:
        time = rows.STUDY.time(dict.fromkeys(missing, 1), out, _finished)
    return [*found, f"  to measure: {', '.join(missing)}; {time}"]


def _finished(study: Path) -> dict[str, tuple[str, float]]:
    """Each part is its own sort, and is measured once."""
    return {part: (part, 1) for part in rows.read(study)}
