"""Options of how a sweep runs and where its results go, for all training commands."""

import dataclasses
import math
from pathlib import Path
from typing import Literal

from experiments.errors import UserError
from experiments.machine.setup import Process

WEIGHTS = "weights.npz"  # of a run directory, with --keep-weights


@dataclasses.dataclass(frozen=True)
class Execution(Process):
    """How a sweep runs, and where its results go."""

    out: Path | None = None
    """Result directory; by default, one under runs/ named after the command."""
    resume: bool = False
    """Continue in an existing directory; finished runs are kept."""
    overwrite: bool = False
    """First delete what earlier commands wrote to the directory, and nothing else."""
    keep_weights: bool = False
    """Write the final weights of each run to its directory, for --init-from."""
    data_dir: Path | None = None
    """A tensorflow_datasets directory, or one with cifar-10-batches-py or its like; by
    default, that package's own."""
    init_from: Path | None = None
    """Start from the weights in this run directory, or in a .pt, .pth or .safetensors
    file of PyTorch's; by default, from fresh ones."""
    parallel: Literal["none", "pmap", "sharded"] = "none"
    """Split each mini-batch over the local devices: with pmap, or over a mesh."""
    dry_run: bool = False
    """Show what would run, what is already finished, and about how long the rest takes.
    Write nothing."""
    time_budget: float | None = None
    """Minutes after which to save a checkpoint and stop with exit status 75; --resume
    continues from there; by default, none."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints of a run; they are saved at the end of an epoch."""

    def check(self) -> None:
        """Raise UserError for invalid options, before anything is written or run."""
        if self.resume and self.overwrite:
            raise UserError("--resume and --overwrite exclude each other")
        for name in ("time_budget", "checkpoint_minutes"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                option = name.replace("_", "-")
                raise UserError(f"--{option} takes minutes, 0 or more, got {value}")
        if self.onednn and self.parallel == "pmap":
            raise UserError(
                "--onednn works with --parallel none or sharded, not with pmap"
            )
        source = self.init_from
        if not (source is None or source.is_file() or (source / WEIGHTS).is_file()):
            raise UserError(
                f"--init-from: {source} has no {WEIGHTS}: train that run with "
                "--keep-weights, or give a file of PyTorch's"
            )
        if self.coordinator is not None and self.parallel != "sharded":
            raise UserError(
                "several processes can train together only with --parallel sharded"
            )
        Process.check(self)
