"""`stability`: which learning rates train, with landscape modification and without."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.errors import UserError
from experiments.machine.setup import Process
from experiments.stability.options import Study


@dataclasses.dataclass(frozen=True)
class Config(Study):
    """Count collapsed runs over learning rates, arm by arm, on paired seeds.

    One program trains every seed and learning rate of an arm. An arm's rows are written
    when it is finished. Ctrl-C, SIGTERM, a closed terminal or --time-budget stop the
    command, and --resume runs the missing arms. The command writes rows, tables.md and
    pictures. The default plan takes hours on two cores, --quick minutes.
    """

    example: ClassVar[str] = (
        "python -m experiments stability --quick --tasks mlp12 --optimizers sgd"
    )
    out: Path = Path("stability")
    """Directory of the study."""
    resume: bool = False
    """Continue a study, with the seeds that it was started with."""
    dry_run: bool = False
    """Show which cases would run and about how long they take; write nothing."""
    time_budget: float | None = None
    """Minutes after which to stop, between two arms, with exit status 75; by default,
    none."""
    data_dir: Path | None = None
    """A tensorflow_datasets directory, for CIFAR-10; by default, that package's own."""
    cache_dir: Path | None = None
    """Where to keep cifar10.npz and compiled programs; by default, landmod_jax in the
    user's cache directory."""


def run(config: Config) -> None:
    config.cases()
    if config.time_budget is not None and config.time_budget <= 0:
        raise UserError(f"--time-budget must be greater than 0: {config.time_budget}")
    from experiments.stability import document, outlook, rows, study

    if config.dry_run:
        print("\n".join(outlook.lines(config, config.out)))
    if rows.STUDY.known(config.out) and not config.resume:
        raise UserError(
            f"{config.out} has a stability study: add --resume to run the cases that "
            "it lacks, or choose another --out"
        )
    if config.dry_run:
        return
    from experiments.machine import log
    from experiments.machine.progress import progress
    from experiments.machine.setup import set_up
    from experiments.machine.stopping import Stop
    from experiments.runs import provenance
    from experiments.stability.images import Places

    set_up(Process(cache_dir=config.cache_dir))
    places = Places(config.data_dir, config.cache_dir)
    study.load_images(config, config.out, places)
    rows.STUDY.prepare(config.out)
    log.LOG.keep(config.out / log.FILE, f"$ {provenance.command()}")
    stop = Stop(config.time_budget)
    with stop.listening(), progress(failed=stop.output_failed) as shown:
        study.measure(config, config.out, places, stop, shown)
    document.write(config.out)
    log.say(f"{config.out}: tables.md and pictures")
