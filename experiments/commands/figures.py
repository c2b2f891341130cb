"""`figures`: the pictures of chapters 1 and 2, drawn with the library itself."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from experiments.errors import UserError
from experiments.machine.stopping import Stop


@dataclasses.dataclass(frozen=True)
class Config:
    """Draw figures 1.1, 1.2, 2.1 to 2.6, relatives of LM, and 2-D trajectories."""

    example: ClassVar[str] = "python -m experiments figures --only 2.3 trajectories"
    out: Path = Path("figures")
    """Directory of the pictures; existing ones are replaced."""
    only: tuple[str, ...] = ()
    """Figures by name, such as 2.3 or trajectories; by default, all."""
    resume: bool = False
    """Draw only the missing ones."""


def run(config: Config) -> None:
    from experiments.annealing import chapters
    from experiments.report import style

    drawings = chapters.DRAWINGS
    if unknown := [name for name in config.only if name not in drawings]:
        raise UserError(
            f"unknown figures {', '.join(unknown)}: choose from {', '.join(drawings)}"
        )
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write figures to {config.out}: {error}") from error
    drawing, stop = style.Drawing(), Stop()
    with stop.listening():
        for name in config.only or drawings:
            if stop():
                raise stop.stopped()
            path = config.out / f"figure-{name}.png"
            if config.resume and path.exists():
                continue
            drawing.of(drawings[name], path)
            if path.exists():
                print(path, flush=True)
    drawing.raise_failures()
