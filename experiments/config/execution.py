"""Options of how a sweep runs and where its results go, for all training commands."""

import dataclasses
import math
import re
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

from experiments.errors import UserError
from experiments.machine.setup import Cache, Process

WEIGHTS = "weights.npz"  # of a run directory, with --keep-weights


@dataclasses.dataclass(frozen=True)
class Output:
    """Where results go."""

    group: ClassVar[str] = "output"
    out: Path | None = None
    """Result directory; by default, one under runs/ named after the command."""
    resume: bool = False
    """Continue in an existing directory; finished runs are kept."""
    overwrite: bool = False
    """First delete what earlier commands wrote to the directory, and nothing else."""
    keep_weights: bool = False
    """Write the final weights of each run to its directory, for --init-from."""
    tensorboard: Path | None = None
    """Also write TensorBoard event files there, one directory per run, renewed at each
    epoch; needs tensorboardX; by default, none are written."""


@dataclasses.dataclass(frozen=True)
class Sources(Cache):
    """Where data and weights come from."""

    group: ClassVar[str] = Cache.group
    data_dir: Path | None = None
    """A tensorflow_datasets directory; by default, that package's own."""
    init_from: Path | None = None
    """Start from the weights in this run directory; by default, from fresh ones."""


@dataclasses.dataclass(frozen=True)
class Devices(Process):
    """How a run is spread over devices."""

    group: ClassVar[str] = Process.group
    parallel: Literal["none", "pmap", "sharded"] = "none"
    """Split each mini-batch over the local devices: with pmap, or over a mesh."""


@dataclasses.dataclass(frozen=True)
class Execution(Output, Sources, Devices):
    """How a sweep runs."""

    group: ClassVar[str] = "execution"
    dry_run: bool = False
    """Show what would run, what is already finished, and about how long the rest takes.
    Write nothing."""
    time_budget: float | None = None
    """Minutes after which to save a checkpoint and stop with exit status 75; --resume
    continues from there; by default, none."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints of a run; they are saved at the end of an epoch."""
    shard: str = "1/1"
    """i/n: run every n-th seed, starting at the i-th, with all of its arms; splits a
    sweep over machines."""

    def check(self) -> None:
        """Raise UserError for invalid options, before anything is written or run."""
        parse_shard(self.shard)
        if self.tensorboard is not None and not find_spec("tensorboardX"):
            raise UserError(
                "--tensorboard needs tensorboardX: pip install tensorboardX"
            )
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
        if self.init_from is not None and not (self.init_from / WEIGHTS).is_file():
            raise UserError(
                f"--init-from: {self.init_from} has no {WEIGHTS}: train that run "
                "with --keep-weights"
            )
        self._check_processes()

    def _check_processes(self) -> None:
        processes, number = self.num_processes, self.process_id
        if self.coordinator is None:
            if (processes, number) != (None, None):
                raise UserError("--num-processes and --process-id need --coordinator")
            return
        if self.parallel != "sharded":
            raise UserError(
                "several processes can train together only with --parallel sharded"
            )
        if self.coordinator == "auto":
            return
        host, _, port = self.coordinator.rpartition(":")
        if not host or not (port.isdecimal() and 1 <= int(port) <= 65535):
            raise UserError(
                f"--coordinator takes HOST:PORT or auto, got {self.coordinator!r}"
            )
        if processes is None or number is None:
            raise UserError(
                "--coordinator HOST:PORT needs --num-processes and --process-id; "
                "--coordinator auto finds them under SLURM and on cloud TPUs"
            )
        if processes < 1 or not 0 <= number < processes:
            raise UserError(
                "--process-id takes 0 to --num-processes minus 1, got "
                f"{number} of {processes}"
            )


def parse_shard(shard: str) -> tuple[int, int]:
    """(i, n) of "i/n", counted from 1."""
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    i, n = map(int, match.groups()) if match else (0, 0)
    if not 1 <= i <= n:
        raise UserError(f"--shard takes i/n with 1 <= i <= n, such as 2/4, got {shard}")
    return i, n
