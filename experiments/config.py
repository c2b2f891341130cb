"""What one run is: its configuration, the thesis's hyperparameters, its identity."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from experiments.errors import UserError

Optimizer = Literal["sgd", "adam", "adagrad", "rmsprop"]
OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "adam", "adagrad", "rmsprop")
SEEDS = (0, 10, 100)  # appendix B

Arm = Literal["base", "lm"]
ARMS: tuple[Arm, ...] = ("base", "lm")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's numbers, and nothing else.

    Equal configurations have equal identities (`run_id`) and, on the same machine and
    versions, equal results. Where results go and how they are shown is not part of it.
    """

    dataset: str
    model: str
    optimizer: Optimizer
    arm: Arm
    seed: int
    epochs: int
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = 128
    # Landscape modification, used by the arms that modify: f, eps and the threshold c.
    f: str = "linear"
    eps: float = 1.0
    c: float | None = None  # None: the running minimum of the mini-batch loss
    # Scale of the experiment: the first n training images after a fixed shuffle.
    limit_train: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    eval_mode: Literal["eval", "train"] = "eval"

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch_size", 1), ("limit_train", 1)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise UserError(f"{name} must be at least {low}, got {value}")
        for name in ("learning_rate", "eps"):
            if not getattr(self, name) > 0:
                raise UserError(
                    f"{name} must be greater than 0, got {getattr(self, name)}"
                )
        if self.momentum and self.optimizer not in ("sgd", "rmsprop"):
            raise UserError(
                f"momentum belongs to sgd and rmsprop, not {self.optimizer}"
            )

    @property
    def run_id(self) -> str:
        """A readable name with a hash of the whole configuration."""
        canonical = json.dumps(dataclasses.asdict(self), sort_keys=True)
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:10]
        parts = (self.dataset, self.model, self.optimizer, self.arm, f"s{self.seed}")
        return "-".join((*parts, digest))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunConfig":
        """The inverse of `dataclasses.asdict`; unknown names are an error."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise UserError(f"configuration has unknown fields: {', '.join(unknown)}")
        return cls(**values)


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """One row of table A.1 or A.2, which are the same."""

    epochs: int
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0


# Tables A.1 and A.2: (family of networks, epochs, learning rate of SGD); momentum 0.9
# belongs to SGD alone, weight decay is 0 throughout, and the adaptive optimizers share
# their learning rates. SimpleCNN is ours, for the embedded digits.
_FAMILIES = {
    "nn2": (50, 0.01),
    "preresnet": (150, 0.1),
    "vgg": (200, 0.05),
    "simple_cnn": (8, 0.01),
}
_ADAPTIVE = {"adam": 1e-3, "adagrad": 1e-2, "rmsprop": 1e-3}


def thesis_hyperparameters(model: str, optimizer: Optimizer) -> Hyperparameters:
    """The thesis's hyperparameters for a network and an optimizer (tables A.1, A.2)."""
    for family, (epochs, sgd_learning_rate) in _FAMILIES.items():
        if model.startswith(family):
            if optimizer == "sgd":
                return Hyperparameters(epochs, sgd_learning_rate, momentum=0.9)
            return Hyperparameters(epochs, _ADAPTIVE[optimizer])
    raise UserError(
        f"no default hyperparameters for model {model!r}: "
        "give --epochs and --learning-rate"
    )


def default_batch_size(dataset: str) -> int:
    """128 as in the thesis; 32 for digits, whose 1,437 images make few steps."""
    return 32 if dataset == "digits" else 128
