"""Options that the training commands share, and the runs that follow from them."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import tyro

from experiments.config import networks, spelled
from experiments.config.arms import ARMS, DEFAULT_ARMS, PARAMETERS, ArmName
from experiments.config.execution import Execution
from experiments.config.optimizers import OptimizerName
from experiments.config.precision import Precision
from experiments.config.run import MOST, RUNNING_MIN, SEEDS, RunConfig
from experiments.errors import UserError
from experiments.machine.stopping import tell


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How each run trains; by default as in the thesis (tables A.1 and A.2)."""

    # Some of the arms read these, the others ignore them.
    f: str = "linear"
    """Shape of LM: linear, quadratic, sqrt, cbrt, "power(p)" with p > 0, or
    "bounded(height, width)", as in "bounded(2, 0.5)"."""
    eps: float = 1.0
    """The constant in LM's f((loss - c)+) + eps, greater than 0."""
    threshold: str = RUNNING_MIN
    """Rule for LM's c: running_min, "smoothed_min(decay)", "windowed_min(steps)" or
    "constant(c)"."""
    c: float | None = None
    """Short for --threshold "constant(C)"; by default, --threshold applies."""
    clip_norm: float = 1.0
    """For clip and lm_clip: the largest global norm of the gradients."""
    warmup_steps: int = 200
    """For warmup: steps until the full learning rate is reached."""
    step_cap: float = 10.0
    """For momo and polyak: the largest step size, in learning rates."""
    # All arms read the others.
    epochs: int | None = None
    """Passes over the training set; by default, the network's (simple_cnn 8, nn2 50,
    preresnet 150, vgg 200; in table C.1 225 and 300)."""
    learning_rate: float | None = None
    """The optimizer's step size; by default, the thesis's (SGD 0.01 for simple_cnn and
    nn2, 0.05 for vgg, 0.1 for preresnet; Adam and RMSProp 0.001; Adagrad 0.01)."""
    momentum: float | None = None
    """Momentum of SGD or RMSProp; by default, 0.9 for SGD, otherwise 0."""
    weight_decay: float | None = None
    """L2 decay, added to the gradient after landscape modification scales it; by
    default, 0, except in table C.1."""
    batch_size: int | None = None
    """Images per step; the last, partial batch of an epoch is kept; by default, 32 for
    digits, otherwise 128."""
    limit_train: int | None = None
    """Train on the first n images of a fixed shuffle; by default, on all."""
    precision: Precision = "float32"
    """Arithmetic of the network; parameters, statistics, loss and c stay float32.
    tensorfloat32 is faster on GPUs, and float32 on CPUs."""
    eval_mode: Literal["eval", "train"] = "eval"
    """Mode of the network in tests; the published script tests in "train"."""
    validation: int | None = None
    """Hold out the last n training images and test on those; by default, none is held
    out, and tests use the test set."""
    until_above_chance: bool = False
    """Stop at the first epoch whose test accuracy is above chance."""
    augment: tyro.conf.DisallowNone[bool | None] = None
    """Crop and flip CIFAR's training images at random; by default, on, except in table
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
        import models  # imported here, so that --help does not wait for JAX and NumPy
        from experiments.data import loading

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
        # For data sets that are never augmented, both settings are the same run.
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
        # Parameters that this arm does not read were checked, but do not define the
        # run.
        unread = PARAMETERS - set(ARMS[arm].parameters)
        defaults_of: dict[str, Any] = {
            field.name: field.default
            for field in dataclasses.fields(whole)
            if field.name in unread
        }
        return dataclasses.replace(whole, **defaults_of)

    def _landscape(self) -> dict[str, Any]:
        """f and the threshold in canonical spelling; a constant threshold as c."""
        f = spelled.canonical("--f", self.f, spelled.shapes())
        threshold = spelled.canonical(
            "--threshold", self.threshold, spelled.thresholds()
        )
        if not threshold.startswith("constant("):
            return {"f": f, "threshold": threshold, "c": self.c}
        if self.c is not None:
            raise UserError(
                f"--c {self.c} and --threshold {threshold}: choose one of them"
            )
        made = spelled.arguments("--threshold", threshold, spelled.thresholds())
        return {"f": f, "threshold": RUNNING_MIN, "c": float(made["c"])}


def steps_of(config: RunConfig) -> int:
    """The training steps of a run, unless it stops early."""
    from experiments.data import loading

    images = loading.train_size(config.dataset, config.limit_train)
    images -= config.validation or 0
    return config.epochs * -(-images // config.batch_size)


def show_remarks(configs: Sequence[RunConfig]) -> None:
    """Point out settings that are allowed but probably not intended."""
    for config in dict.fromkeys(dataclasses.replace(c, seed=0) for c in configs):
        reads = ARMS[config.arm].parameters
        if "warmup_steps" in reads and config.warmup_steps > steps_of(config):
            tell(
                f"note: --warmup-steps {config.warmup_steps} is longer than a run of "
                f"{steps_of(config)} steps, which ends before its learning rate is "
                "reached"
            )


@dataclasses.dataclass(frozen=True)
class Pairs(Protocol, Execution):
    """What to run for each optimizer: every arm with every seed."""

    arms: tuple[ArmName, ...] = DEFAULT_ARMS
    """Arms to compare: the plain optimizer (base), LM, or controls."""
    seeds: tuple[int, ...] = SEEDS
    """Seeds of weights, data order, augmentation and dropout, shared by all arms."""
    lr_sweep: tuple[float, ...] = ()
    """Learning rates to choose from for each arm, on held-out training images; by
    default, none, and --learning-rate applies."""

    def runs(
        self, dataset: str, model: str, optimizer: OptimizerName, swa: bool = False
    ) -> list[RunConfig]:
        """The configurations of one optimizer, seed by seed."""
        return [
            self.run(dataset, model, optimizer, arm, seed, swa)
            for seed in self.seeds
            for arm in self.arms
        ]
