"""`anneal`: the study of the diffusions behind landscape modification."""

import dataclasses
from pathlib import Path

from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Config:
    """Compare the four diffusions on objectives with known minima; time their escapes.

    Each method is tuned on the same number of settings and judged on fresh chains, at
    equal evaluations of U; gradient descent and random points are the controls. Writes
    rows, tables.md and pictures. What is measured is kept on the way: Ctrl-C, SIGTERM
    or a closed terminal stop it, and --resume continues.
    """

    out: Path = Path("annealing")
    """Directory of the study."""
    objectives: tuple[str, ...] = (
        "rastrigin",
        "ackley",
        "griewank",
        "schwefel",
        "levy",
        "styblinski_tang",
    )
    """Objectives, see landmod_jax.annealing.objectives."""
    dimensions: tuple[int, ...] = (2, 5)
    """Of each objective."""
    steps: int = 2000
    """Evaluations a chain."""
    chains: int = 200
    """Chains of a trial."""
    settings: int = 16
    """Settings that each method is tuned on."""
    tunings: int = 3
    """How often all of it is done, with other settings, starts and noise."""
    records: int = 50
    """Points of a convergence curve."""
    barriers: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5)
    """Heights of the double well; over temperatures, the last."""
    temperatures: tuple[float, ...] = (0.3, 0.4, 0.5, 0.7, 1.0)
    """Temperatures of the double well; over barriers, the first."""
    escape_steps: int = 400_000
    """After so many steps a chain that is not over the barrier is cut off."""
    overwrite: bool = False
    """Replace a study that lies in `out`."""
    resume: bool = False
    """Continue a study that was interrupted, with the options it was started with."""


def run(config: Config) -> None:
    _check(config)
    from experiments.annealing import parts, report, study
    from experiments.machine.stopping import Stop

    complete = (config.out / report.FILES["chains"]).exists()
    if config.resume and complete and not parts.interrupted(config.out):
        raise UserError(f"{config.out} holds a complete study: nothing to resume")
    if not (config.resume or config.overwrite):
        if parts.interrupted(config.out):
            raise UserError(
                f"{config.out} holds an interrupted study: add --resume to continue "
                "it, or --overwrite to start anew"
            )
        if complete:
            raise UserError(f"{config.out} holds a study already: add --overwrite")
    stop = Stop()
    with stop.listening():
        options = parts.options_of(config)
        try:
            kept = parts.Parts(config.out, options, config.resume, stop)
            report.write_rows(study.measure(config, kept), config.out)
            kept.remove()
        except OSError as error:
            if error.filename is None:  # the terminal or pipe that lines go to
                raise
            raise UserError(f"cannot write the study: {error}") from error
    report.write(config.out)
    print(f"{config.out}: tables.md, curves.png, success.png, escapes.png, paths.png")


def _check(config: Config) -> None:
    if config.resume and config.overwrite:
        raise UserError("choose --resume or --overwrite: they exclude each other")
    from experiments.annealing.problems import FIXED
    from landmod_jax.annealing.objectives import OBJECTIVES

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
