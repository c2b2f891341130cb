"""`anneal`: the study of the diffusions behind landscape modification."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.annealing.options import Study
from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Config(Study):
    """Compare the four diffusions on objectives with known minima; time their escapes.

    Each method is tuned over the same number of settings and evaluated on fresh chains,
    with equal numbers of evaluations of U. Gradient descent and random points are the
    controls. The command writes rows, tables.md and pictures. It saves measurements as
    it makes them: after Ctrl-C, SIGTERM or a closed terminal, --resume continues.
    """

    example: ClassVar[str] = (
        "python -m experiments anneal --objectives rastrigin --dimensions 2 "
        "--out annealing"
    )
    out: Path = Path("annealing")
    """Directory of the study."""
    overwrite: bool = False
    """Replace an existing study in the directory."""
    resume: bool = False
    """Continue an interrupted study, with the options that it was started with."""
    dry_run: bool = False
    """Show what would be measured and about how long it takes; write nothing."""


def run(config: Config) -> None:
    _check(config)
    from experiments.annealing import document, outlook, parts, rows, study
    from experiments.machine import log
    from experiments.machine.setup import start_jax
    from experiments.machine.stopping import Stop
    from experiments.runs import provenance

    complete = (config.out / rows.FILES["chains"]).exists()
    if config.resume and complete and not parts.interrupted(config.out):
        raise UserError(f"{config.out} contains a complete study: nothing to resume")
    if not (config.resume or config.overwrite):
        if parts.interrupted(config.out):
            raise UserError(
                f"{config.out} contains an interrupted study: add --resume to "
                "continue it, or --overwrite to start again"
            )
        if complete:
            raise UserError(f"{config.out} already contains a study: add --overwrite")
    if config.dry_run:
        print("\n".join(outlook.lines(config, config.out, config.resume)))
        return
    start_jax()
    stop = Stop()
    with stop.listening():
        options = parts.options_of(config)
        try:
            kept = parts.Parts(config.out, options, config.resume, stop)
            log.LOG.keep(config.out / log.FILE, f"$ {provenance.command()}")
            rows.write_rows(study.measure(config, kept), config.out)
            kept.remove()
        except OSError as error:
            if error.filename is None:  # the terminal or pipe that lines go to
                raise
            raise UserError(f"cannot write the study: {error}") from error
    document.write(config.out)
    log.say(f"{config.out}: tables.md, curves.png, success.png, escapes.png, paths.png")


def _check(config: Config) -> None:
    if config.resume and config.overwrite:
        raise UserError("choose --resume or --overwrite: they exclude each other")
    from experiments.annealing.objectives import OBJECTIVES
    from experiments.annealing.problems import FIXED

    for name in config.objectives:
        if name not in OBJECTIVES:
            raise UserError(
                f"unknown objective {name!r}: choose from {', '.join(OBJECTIVES)}"
            )
        wrong = [d for d in config.dimensions if FIXED.get(name, d) != d]
        if wrong:
            raise UserError(f"{name} has {FIXED[name]} dimension(s), not {wrong[0]}")
    for name in ("steps", "chains", "settings", "tunings", "records", "escape_steps"):
        if getattr(config, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} must be at least 1")
    if config.steps % config.records:
        raise UserError(
            f"--steps {config.steps} must be a multiple of --records {config.records}"
        )
    for name in ("objectives", "dimensions", "barriers", "temperatures"):
        values = getattr(config, name)
        if not values:
            raise UserError(f"--{name} needs at least one value")
        if name != "objectives" and not all(value > 0 for value in values):
            raise UserError(f"--{name} must be greater than 0")
