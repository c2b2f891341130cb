"""`spins`: Metropolis chains on spin systems, with and without LM."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.errors import UserError
from experiments.machine.setup import Process
from experiments.spins.options import PARTS, Study


@dataclasses.dataclass(frozen=True)
class Config(Study):
    """Time Metropolis chains with and without LM: tunneling, search and speed.

    Tunneling times of the Curie–Weiss model are compared with exact ones. In the
    search, each method is tuned over the same settings and evaluated on other
    instances. The controls are parallel tempering, plain Metropolis at LM's temperature
    and, if it is installed, the annealer of dwave-samplers. A part's rows are written
    when it is finished; after Ctrl-C or SIGTERM, --resume measures the missing parts.
    The command writes rows, tables.md and pictures.
    """

    example: ClassVar[str] = "python -m experiments spins --quick --parts tunnelling"
    out: Path = Path("spins")
    """Directory of the study."""
    resume: bool = False
    """Measure only the parts that the study in the directory lacks."""
    dry_run: bool = False
    """Show which parts would run and about how long they take; write nothing."""
    cache_dir: Path | None = None
    """Where to keep compiled programs; by default, landmod_jax in the user's cache
    directory."""


def run(config: Config) -> None:
    for part in config.parts:
        if part not in PARTS:
            raise UserError(f"--parts {part!r}: choose from {', '.join(PARTS)}")
    from experiments.spins import document, outlook, rows, study

    if config.dry_run:
        print("\n".join(outlook.lines(config, config.out)))
    if rows.STUDY.known(config.out) and not config.resume:
        raise UserError(
            f"{config.out} has a study of spins: add --resume to measure the parts "
            "that it lacks, or choose another --out"
        )
    if config.dry_run:
        return
    from experiments.machine.progress import progress
    from experiments.machine.setup import set_up
    from experiments.machine.stopping import Stop

    set_up(Process(cache_dir=config.cache_dir))
    rows.STUDY.prepare(config.out)
    stop = Stop()
    with stop.listening(), progress(failed=stop.output_failed) as shown:
        study.measure(config, config.out, stop, shown)
    document.write(config.out)
    print(f"{config.out}: tables.md, pictures")
