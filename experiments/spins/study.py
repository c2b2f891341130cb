"""Measures the study, part by part; finished parts are not measured again."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.machine.progress import Progress
from experiments.machine.stopping import Stop
from experiments.runs.provenance import provenance
from experiments.runs.rows import without_places
from experiments.spins import rows, search, speed, tunnelling
from experiments.spins.options import Sizes, Study, sizes
from experiments.spins.problems import families


def measure(config: Study, out: Path, stop: Stop, shown: Progress) -> None:
    """Measure the parts that `out` lacks, and print a line for each finished one.

    Raises:
      Stopped: on a request to stop; `out` has the finished parts.
      UserError: `out` has parts of the other size.
    """
    for part, about in rows.STUDY.known(out).items():
        if about.get("quick", False) != config.quick:
            raise UserError(
                f"{out} has {part} measured {'without' if config.quick else 'with'} "
                "--quick: continue like that, or choose another --out"
            )
    origin = provenance()
    origin |= {"command": without_places(origin["command"])}
    missing = rows.missing(out, config.parts)
    for part in missing:
        began, found = time.perf_counter(), []
        for row in _rows(part, sizes(config), config.quick, shown):
            if stop():
                raise stop.stopped()
            found.append(row)
        seconds = time.perf_counter() - began
        about = {"seconds": seconds, "quick": config.quick} | origin
        rows.write_part(out, part, found, about)
        shown.line(f"{part}: {len(found)} rows in {seconds:.0f} s")


def _rows(
    part: str, sizes: Sizes, quick: bool, shown: Progress
) -> Iterator[dict[str, Any]]:
    # The first case's seed, the chains of a case, and of a longer one.
    samples = {
        "tunnelling": (3000, sizes.tunnelling_chains, 0),
        "tunnelling-again": (4000, sizes.again_chains, sizes.again_few),
    }
    if part in samples:
        seed, chains, few = samples[part]
        cases = [
            tunnelling.Case(n, T, landscape)
            for n in sizes.spins
            for T in sizes.temperatures
            for landscape in tunnelling.LANDSCAPES
        ]
        for number, case in enumerate(cases):
            yield tunnelling.row(case, chains, seed + number, few)
    elif part == "search":
        for name, family in families(quick).items():
            shown.line(f"search: {family.label}")
            yield from search.study(name, family, sizes)
    else:
        yield from speed.measure(sizes, quick)
