"""What one run is: its configuration and its identity."""

import dataclasses
import functools
import hashlib
import json
import math
import re
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from experiments.config.arms import ARMS, ArmName
from experiments.config.optimizers import OPTIMIZERS, OptimizerName
from experiments.config.precision import Precision
from experiments.errors import UserError

SEEDS = (0, 10, 100)  # appendix B
RUNNING_MIN = "running_min"


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's numbers, and nothing else.

    Equal configurations have equal identities (`run_id`) and, on the same machine and
    versions, equal results. Where results go and how they are shown is not part of it.
    """

    dataset: str
    model: str
    optimizer: OptimizerName
    arm: ArmName
    seed: int
    epochs: int
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = 128
    # Read only by arms that list them among their parameters. Of LM:
    f: str = "linear"
    eps: float = 1.0
    c: float | None = None  # a constant; None: what `threshold` says
    clip_norm: float = 1.0  # of all gradients together
    warmup_steps: int = 200  # from 0 to the learning rate, linearly
    # Scale of the experiment: the first n training images after a fixed shuffle.
    limit_train: int | None = None
    precision: Precision = "float32"
    eval_mode: Literal["eval", "train"] = "eval"
    # Stochastic weight averaging (table C.1): from this epoch on, with this final rate.
    swa_start: int | None = None
    swa_learning_rate: float | None = None
    # Hold out the last n training images, and test on them in place of the test set.
    validation: int | None = None
    # Stop at the first epoch whose test accuracy is above chance.
    until_above_chance: bool = False
    # SHA-256 of the initial weights, if they are another run's.
    init_from: str | None = None
    # Whether training images are cropped and flipped (digits never are).
    augment: bool = True
    # The rule for c, if it is not constant, as `spelled` writes it.
    threshold: str = RUNNING_MIN
    # For arms that compute their own step size: its cap, in learning rates.
    step_cap: float = 10.0

    def __post_init__(self) -> None:
        for name, kind in _field_types().items():
            _check_kind(name, getattr(self, name), kind)
        for name, (within, holds) in _RANGES.items():
            value = getattr(self, name)
            # NaN fails every comparison.
            if value is not None and not holds(value):
                raise UserError(f"{name} must be {within}, got {value}")
        if self.momentum and OPTIMIZERS[self.optimizer].momentum is None:
            having = [o.name for o in OPTIMIZERS.values() if o.momentum is not None]
            raise UserError(
                f"only {' and '.join(having)} have momentum, not {self.optimizer}"
            )
        if self.c is not None and self.threshold != RUNNING_MIN:
            raise UserError(
                f"c is either a constant or a threshold's: got c {self.c} and "
                f"threshold {self.threshold}"
            )
        if (self.swa_start is None) != (self.swa_learning_rate is None):
            raise UserError("swa_start and swa_learning_rate must be given together")
        arm = ARMS[self.arm]
        if not arm.serves(self.optimizer):
            raise UserError(
                f"the {arm.name} arm stands in for {' and '.join(arm.instead)}, not "
                f"{self.optimizer}"
            )
        if arm.instead and self.weight_decay:
            raise UserError(
                f"the {arm.name} arm has no weight decay, got {self.weight_decay}"
            )
        if self.swa_start is not None and arm.own_rate:
            raise UserError(
                f"the {self.arm} arm has its own learning-rate schedule: it cannot be "
                "combined with weight averaging"
            )
        if self.swa_start is not None and self.swa_start > self.epochs:
            raise UserError(
                f"swa_start {self.swa_start} comes after the last epoch {self.epochs}"
            )

    @property
    def run_id(self) -> str:
        """A readable name with a hash of the configuration.

        The hash excludes fields at their defaults, so a new field does not change the
        identity of older runs. (A default must therefore never change.)
        """
        chosen = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        canonical = json.dumps(chosen, sort_keys=True)
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:10]
        parts = (self.dataset, self.model, self.optimizer, self.arm, f"s{self.seed}")
        return "-".join((*parts, digest))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunConfig":
        """The inverse of `dataclasses.asdict`; fields with defaults may be missing."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        if unknown := sorted(values.keys() - fields.keys()):
            raise UserError(f"configuration has unknown fields: {', '.join(unknown)}")
        needed = {n for n, f in fields.items() if f.default is dataclasses.MISSING}
        if missing := sorted(needed - values.keys()):
            raise UserError(f"configuration lacks {', '.join(missing)}")
        return cls(**values)


LAST_SEED = 2**32 - 1  # jax.random.key takes the rest modulo 2**32
MOST = 2**31 - 1  # steps are counted in int32
LARGEST = (2 - 2**-23) * 2.0**127  # float32

_NAME = re.compile(r"[A-Za-z0-9_.,:=+() -]{1,100}")  # of a network, an f, …
_Range = tuple[str, Callable[[Any], bool]]
_COUNT: _Range = ("at least 1", lambda x: x >= 1)
_POSITIVE: _Range = (
    "greater than 0 and finite in float32",
    lambda x: 0 < x <= LARGEST,
)
_RANGES: Mapping[str, _Range] = {
    "seed": (f"0 to {LAST_SEED}", lambda x: 0 <= x <= LAST_SEED),
    "epochs": _COUNT,
    "batch_size": _COUNT,
    "limit_train": _COUNT,
    "warmup_steps": (f"1 to {MOST}", lambda x: 1 <= x <= MOST),
    "swa_start": _COUNT,
    "validation": _COUNT,
    "learning_rate": _POSITIVE,
    "eps": _POSITIVE,
    "clip_norm": _POSITIVE,
    "step_cap": _POSITIVE,
    "swa_learning_rate": _POSITIVE,
    "weight_decay": ("at least 0 and finite in float32", lambda x: 0 <= x <= LARGEST),
    "momentum": ("at least 0 and less than 1", lambda x: 0 <= x < 1),
    "c": ("a finite number (for no landscape, choose the base arm)", math.isfinite),
}


@functools.cache
def _field_types() -> dict[str, Any]:
    return get_type_hints(RunConfig)


def _check_kind(name: str, value: Any, kind: Any) -> None:
    kinds = get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if value is None and type(None) in kinds:
        return
    if get_origin(kind) is Literal:
        if value not in kinds[0].__args__:
            choices = ", ".join(kinds[0].__args__)
            raise UserError(f"{name} must be one of {choices}, got {value!r}")
        return
    allowed = (int, float) if float in kinds else kinds[0]
    fits = isinstance(value, allowed) and isinstance(value, bool) == (kind is bool)
    if not fits or (isinstance(value, str) and not _NAME.fullmatch(value)):
        words = {
            int: "an integer",
            float: "a number",
            str: "text of letters, digits and _.,:=+()-",
            bool: "true or false",
        }
        raise UserError(f"{name} must be {words[kinds[0]]}, got {value!r:.60}")
