"""Options that the training commands share, and the runs that they make of them."""

import dataclasses
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import tyro

from experiments.config import networks, spelled
from experiments.config.arms import ARMS, DEFAULT_ARMS, PARAMETERS, ArmName
from experiments.config.optimizers import OptimizerName
from experiments.config.precision import Precision
from experiments.config.run import MOST, RUNNING_MIN, SEEDS, RunConfig
from experiments.data import loading
from experiments.errors import UserError
from experiments.machine.setup import Process

WEIGHTS = "weights.npz"  # of a run directory, with --keep-weights
LEAST = 10  # training images, of which --lr-sweep can hold out a tenth


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How each run trains; by default as in the thesis (tables A.1 and A.2)."""

    epochs: int | None = None
    """Passes over the training set."""
    learning_rate: float | None = None
    """The optimizer's step size."""
    momentum: float | None = None
    """Momentum of SGD and RMSProp."""
    weight_decay: float | None = None
    """L2 decay, added to the gradient after landscape modification scales it."""
    batch_size: int | None = None
    """Images per step; the last, partial batch of an epoch is kept."""
    f: str = "linear"
    """Shape of the modification: a name, or a call such as "bounded(2, 0.5)"."""
    eps: float = 1.0
    """The constant in f((loss - c)+) + eps, greater than 0."""
    threshold: str = RUNNING_MIN
    """Rule for c: running_min, smoothed_min, "windowed_min(100)" or "constant(1)"."""
    c: float | None = None
    """Short for --threshold "constant(C)"."""
    clip_norm: float = 1.0
    """For the clip and lm_clip arms: the largest global norm of the gradients."""
    warmup_steps: int = 200
    """For the warmup arm: steps until the full learning rate is reached."""
    step_cap: float = 10.0
    """For the momo and polyak arms: the largest step size, in learning rates."""
    limit_train: int | None = None
    """Train on the first n images of a fixed shuffle."""
    precision: Precision = "float32"
    """Arithmetic of the network; parameters, statistics, loss and c stay float32.
    tensorfloat32 is faster on GPUs, and float32 on CPUs."""
    eval_mode: Literal["eval", "train"] = "eval"
    """Mode of the network in tests; the published script tests in "train"."""
    validation: int | None = None
    """Hold out the last n training images and test on those, not on the test set."""
    until_above_chance: bool = False
    """Stop at the first epoch whose test accuracy is above chance."""
    augment: tyro.conf.DisallowNone[bool | None] = None
    """Crop and flip CIFAR's training images at random; the default except in table
    3.5."""

    def run(
        self,
        dataset: str,
        model: str,
        optimizer: OptimizerName,
        arm: ArmName,
        seed: int,
        swa: bool = False,
    ) -> RunConfig:
        """The configuration of one run under this protocol, by default the thesis's.

        With `swa` the defaults are those of table C.1.
        """
        import models  # here, so that --help does not wait for JAX

        try:
            models.create(model)
        except ValueError as error:
            raise UserError(str(error)) from error
        defaults = (
            networks.swa_hyperparameters(model, self.epochs)
            if swa
            else networks.hyperparameters(model, optimizer)
        )
        images = loading.record(dataset)
        values = dataclasses.asdict(defaults) | {"batch_size": images.batch_size}
        chosen = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(Protocol)
        }
        values |= {name: value for name, value in chosen.items() if value is not None}
        values |= self._landscape()
        # With nothing to leave out, with and without augmentation are one run.
        if not networks.pipeline(images, model).steps and values.pop("augment", None):
            raise UserError(f"--augment: the images of {dataset} are never augmented")
        whole = RunConfig(
            dataset=dataset,
            model=model,
            optimizer=optimizer,
            arm=arm,
            seed=seed,
            **values,
        )
        loading.check_size(dataset, whole.limit_train, whole.validation)
        if steps_of(whole) > MOST:
            raise UserError(
                f"--epochs {whole.epochs} takes {steps_of(whole):,} steps; a run can "
                f"have at most {MOST:,}"
            )
        # What this arm does not read was checked, and is no part of its identity.
        unread = PARAMETERS - set(ARMS[arm].parameters)
        defaults_of: dict[str, Any] = {
            field.name: field.default
            for field in dataclasses.fields(whole)
            if field.name in unread
        }
        return dataclasses.replace(whole, **defaults_of)

    def _landscape(self) -> dict[str, Any]:
        """f and the threshold in their one spelling; a constant threshold as c."""
        f = spelled.canonical("--f", self.f, spelled.shapes())
        threshold = spelled.canonical(
            "--threshold", self.threshold, spelled.thresholds()
        )
        made = spelled.arguments("--threshold", threshold, spelled.thresholds())
        if spelled.name_of(threshold) != "constant":
            return {"f": f, "threshold": threshold, "c": self.c}
        if self.c is not None:
            raise UserError(
                f"--c {self.c} and --threshold {threshold}: choose one of them"
            )
        return {"f": f, "threshold": RUNNING_MIN, "c": float(made["c"])}


def steps_of(config: RunConfig) -> int:
    """The training steps of a run, if it is not stopped."""
    images = loading.train_size(config.dataset, config.limit_train)
    images -= config.validation or 0
    return config.epochs * -(-images // config.batch_size)


def show_remarks(configs: Sequence[RunConfig]) -> None:
    """Point out settings that are allowed but probably not intended."""
    for config in dict.fromkeys(dataclasses.replace(c, seed=0) for c in configs):
        reads = ARMS[config.arm].parameters
        if "warmup_steps" in reads and config.warmup_steps > steps_of(config):
            print(
                f"note: --warmup-steps {config.warmup_steps} is longer than a run of "
                f"{steps_of(config)} steps, which ends before its learning rate is "
                "reached",
                file=sys.stderr,
            )


@dataclasses.dataclass(frozen=True)
class Execution(Process):
    """Where data comes from, where results go, and how a sweep runs."""

    out: Path | None = None
    """Result directory; by default, one under runs/ named after the command."""
    resume: bool = False
    """Continue in an existing directory; finished runs are kept."""
    overwrite: bool = False
    """First delete what earlier commands wrote to the directory, and nothing else."""
    data_dir: Path | None = None
    """A tensorflow_datasets directory; by default, that package's own."""
    time_budget: float | None = None
    """Minutes after which to save a checkpoint and stop with exit status 75; --resume
    continues from there."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints of a run; they are saved at the end of an epoch."""
    parallel: Literal["none", "pmap", "sharded"] = "none"
    """Split each mini-batch over the local devices: with pmap, or over a mesh."""
    keep_weights: bool = False
    """Write the final weights of each run to its directory, for --init-from."""
    init_from: Path | None = None
    """Start from the weights in this run directory instead of fresh ones."""
    shard: str = "1/1"
    """i/n: run every n-th seed, starting at the i-th, with all of its arms; splits a
    sweep over machines."""

    def check(self) -> None:
        """Raise UserError for what cannot be, before anything is written or trained."""
        parse_shard(self.shard)
        if self.jobs < 1:
            raise UserError(f"--jobs takes a number of 1 or more, got {self.jobs}")
        if self.jobs > 1 and (self.parallel != "none" or self.coordinator is not None):
            raise UserError(
                "--jobs runs several trainings, each on one device; --parallel and "
                "--coordinator spread one over several: choose one of them"
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


@dataclasses.dataclass(frozen=True)
class Pairs(Execution, Protocol):
    """What to run for each optimizer: every arm with every seed."""

    arms: tuple[ArmName, ...] = DEFAULT_ARMS
    """base, lm, or the controls mean_scale, shuffled_scale, clip, warmup."""
    seeds: tuple[int, ...] = SEEDS
    """Seeds of weights, data order, augmentation and dropout, shared by all arms."""
    lr_sweep: tuple[float, ...] = ()
    """Learning rates to choose from, for each arm, on held-out training images."""

    def check(self) -> None:
        super().check()
        for rate in self.lr_sweep:
            if not 0 < rate < math.inf:
                raise UserError(
                    f"--lr-sweep takes rates greater than 0 and finite, got {rate}"
                )
        if self.lr_sweep and (self.limit_train or LEAST) < LEAST:
            raise UserError(
                "--lr-sweep holds out a tenth of the training images: --limit-train "
                f"must be at least {LEAST}, got {self.limit_train}"
            )

    def runs(
        self, dataset: str, model: str, optimizer: OptimizerName, swa: bool = False
    ) -> list[RunConfig]:
        """The configurations of one optimizer, seed by seed."""
        return [
            self.run(dataset, model, optimizer, arm, seed, swa)
            for seed in self.seeds
            for arm in self.arms
        ]
