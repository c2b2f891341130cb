"""The options that all studies have, and what their commands do."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from experiments.errors import UserError
from experiments.machine.setup import Cache, Process
from experiments.study.record import Study
from experiments.text import plural


@dataclasses.dataclass(frozen=True)
class Options(Cache):
    """How to measure a study; a command's Config adds its `out`."""

    resume: bool = False
    """Measure what the study in the directory lacks."""
    overwrite: bool = False
    """Replace an existing study in the directory."""
    dry_run: bool = False
    """Show what would be measured and about how long it takes; write nothing."""
    time_budget: float | None = None
    """Minutes after which to stop, once what is being measured is finished, with exit
    status 75; by default, none."""


def run(study: Study, config: Any) -> None:
    """Measure what is missing, then make the tables and pictures."""
    if config.resume and config.overwrite:
        raise UserError("choose --resume or --overwrite: they exclude each other")
    if config.time_budget is not None and config.time_budget <= 0:
        raise UserError(f"--time-budget must be greater than 0: {config.time_budget}")
    from experiments.study import document, measure, start, store

    out, parts = config.out, study.parts(config)
    _check_names(study, [part.name for part in parts])
    if config.dry_run:
        print("\n".join(_outline(study, config)))
    start.refuse(study, config)
    if config.dry_run:
        return
    from experiments.machine import log
    from experiments.machine.progress import progress
    from experiments.machine.setup import set_up
    from experiments.machine.stopping import Stop
    from experiments.runs import provenance

    set_up(Process(cache_dir=config.cache_dir))
    names = [part.name for part in parts]
    if not config.overwrite:
        names = list(store.unfinished(study, out, names))
    study.prepare(config, names)
    stop = Stop(config.time_budget, saves="finishing what is being measured")
    with start.working(study, config) as id_:
        log.keep(out / log.FILE, f"$ {provenance.command()}")
        with stop.listening(), progress(failed=stop.output_failed) as shown:
            measure.run(study, config, id_, stop, shown)
        document.write(study, out)
    log.say(f"{out}: tables.md and pictures")


def _check_names(study: Study, names: Sequence[str]) -> None:
    """Names are those of files, and each is that of one part."""
    for name in names:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(
                f"a {study.noun} cannot be called {name!r}: use letters, digits, "
                "underscores, hyphens and periods"
            )
        if names.count(name) > 1:
            raise ValueError(f"two {study.noun}s are called {name}")


def _outline(study: Study, config: Any) -> list[str]:
    from experiments.study import pace, store

    parts, out = study.parts(config), config.out
    lacking = dict.fromkeys((part.name for part in parts), "")
    if not config.overwrite:
        lacking = store.unfinished(study, out, lacking)
    head, *lines, left = study.outline(config, list(lacking))
    lines = [f"{out}: {study.count(len(parts))}{head}", *lines]
    if not lacking:
        return [*lines, "  nothing is left to measure"]
    begun = store.interrupted(out) if config.resume else {}
    to_do = []
    for part in (part for part in parts if part.name in lacking):
        if reason := lacking[part.name]:
            lines.append(f"  damaged: {part.name} ({reason})")
        if done := min(begun.get(part.name, 0), part.pieces):
            pieces = plural(part.pieces, "piece")
            lines.append(f"  begun: {part.name}, {done} of {part.pieces} {pieces}")
        share = 1 - done / part.pieces
        to_do.append(part._replace(amount=part.amount * share))
    return [*lines, f"{left}; {pace.time(study, to_do, out)}"]
