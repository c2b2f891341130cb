"""The arms of a comparison, one record each: how an arm changes an optimizer.

There is the plain optimizer, and LM before it, after it, and with c fixed at 0. The
controls are LM's scales without their timing (their mean, or in shuffled order),
clipping, schedules, and optimizers that derive their step size from the loss.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from experiments.config import spelled
from experiments.config.optimizers import Optimizer
from experiments.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import optax


def _nothing(steps: int, axis_name: str | None, **parameters: Any) -> None:
    return None


def _nothing_seen(opt_state: Any) -> tuple[Any, Any]:
    return None, None  # no NaN, of which JAX_DEBUG_NANS would complain


@dataclasses.dataclass(frozen=True)
class Arm:
    """How an arm changes an optimizer, and how it is displayed.

    Attributes:
      name: in configurations and on the command line.
      label: in tables.
      color: in pictures.
      parameters: the fields of `RunConfig` that it reads. In runs of other arms they
        keep their defaults, so that one plain run serves every f and every clip norm.
      ahead: (steps, axis_name, **parameters) to what comes before weight decay and the
        optimizer; `steps` are those of the whole run.
      after: likewise, to what comes after the optimizer.
      schedule: (learning_rate, steps, **parameters) to the arm's own learning-rate
        schedule, which excludes that of weight averaging.
      instead: for an arm that is itself an optimizer: by the optimizer that it
        replaces, (learning_rate, momentum, **parameters) to its own. If empty, the arm
        works with every optimizer.
      seen: the optimizer's state to the c and the scale of the last step; None for each
        that the arm does not have.
      replay: for an arm that replays the scales (n,) of the LM run with the same seed:
        (scales, steps, seed) to the scale of each of its own steps.
    """

    name: str
    label: str
    color: str
    parameters: tuple[str, ...] = ()
    ahead: "Callable[..., optax.GradientTransformation | None]" = _nothing
    after: "Callable[..., optax.GradientTransformation | None]" = _nothing
    schedule: "Callable[..., optax.Schedule] | None" = None
    instead: "Mapping[str, Callable[..., optax.GradientTransformationExtraArgs]]" = (
        dataclasses.field(default_factory=dict, hash=False)
    )
    seen: Callable[[Any], tuple[Any, Any]] = _nothing_seen
    replay: "Callable[[np.ndarray, int, int], np.ndarray] | None" = None

    @property
    def own_rate(self) -> bool:
        """Whether the arm determines its own step size."""
        return self.schedule is not None or bool(self.instead)

    def serves(self, optimizer: str) -> bool:
        return not self.instead or optimizer in self.instead

    def create(
        self,
        optimizer: Optimizer,
        learning_rate: "float | optax.Schedule",
        parameters: Mapping[str, Any],
        *,
        steps: int,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        axis_name: str | None = None,
    ) -> "optax.GradientTransformationExtraArgs":
        """The optax chain of a run of this arm, with PyTorch's semantics.

        Args:
          learning_rate: a number where `own_rate`.
          parameters: the values of the arm's parameters.
          steps: of the whole run.
          axis_name: the mapped axis that a mini-batch is spread over.

        Raises:
          UserError: a parameter is not what landmod_jax takes.
        """
        import optax

        if self.instead:
            return self.instead[optimizer.name](learning_rate, momentum, **parameters)
        if self.schedule is not None:
            learning_rate = self.schedule(learning_rate, steps, **parameters)
        chain = optimizer.create(
            learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            ahead=self.ahead(steps, axis_name, **parameters),
        )
        after = self.after(steps, axis_name, **parameters)
        return chain if after is None else optax.chain(chain, after)


def _landscape(
    steps: int,
    axis_name: str | None,
    f: str,
    eps: float,
    c: float | None,
    threshold: str,
) -> Any:
    import landmod_jax

    try:
        return landmod_jax.landscape_modify(
            spelled.make("--f", f, spelled.shapes()),
            eps,
            threshold=spelled.make("--threshold", threshold, spelled.thresholds())
            if c is None
            else landmod_jax.constant(c),
            axis_name=axis_name,
        )
    except ValueError as error:
        raise UserError(str(error)) from error


def _landscape_at_0(steps: int, axis_name: str | None, f: str, eps: float) -> Any:
    return _landscape(steps, axis_name, f, eps, 0.0, "")


def _landscape_and_clip(
    steps: int, axis_name: str | None, clip_norm: float, **of_landscape: Any
) -> Any:
    import optax

    # Clipping last: it bounds what reaches the optimizer, however LM scaled it.
    return optax.chain(
        _landscape(steps, axis_name, **of_landscape),
        optax.clip_by_global_norm(clip_norm),
    )


def _landscape_seen(opt_state: Any) -> tuple[Any, Any]:
    import landmod_jax

    state = landmod_jax.current(opt_state)
    return state.c, state.scale


def _replayed(steps: int, axis_name: str | None, **of_landscape: Any) -> Any:
    from experiments.config import replay

    return replay.replay(steps)


def _replay_seen(opt_state: Any) -> tuple[Any, Any]:
    from experiments.config import replay

    return None, replay.current(opt_state).scale


def _mean_scale(scales: "np.ndarray", steps: int, seed: int) -> "np.ndarray":
    import numpy as np

    return np.full(steps, np.mean(scales, dtype=np.float64))


def _shuffled_scale(scales: "np.ndarray", steps: int, seed: int) -> "np.ndarray":
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(scales))
    # An LM run that stopped early has fewer scales, which are then repeated.
    return np.resize(np.asarray(scales)[order], steps)


def _clipped(steps: int, axis_name: str | None, clip_norm: float) -> Any:
    import optax

    return optax.clip_by_global_norm(clip_norm)


def _warmed_up(learning_rate: float, steps: int, warmup_steps: int) -> "optax.Schedule":
    import optax

    first = learning_rate / warmup_steps
    return optax.linear_schedule(first, learning_rate, warmup_steps - 1)


def _cosine(learning_rate: float, steps: int) -> "optax.Schedule":
    import optax

    return optax.cosine_decay_schedule(learning_rate, steps)


# Each uses the learning rate as a cap on a step size that it computes from the loss.
# SGD with momentum 0.9 moves ten times its learning rate along a steady gradient, so
# the cap is ten times the learning rate by default.
def _momo(learning_rate: float, momentum: float, step_cap: float) -> Any:
    import optax.contrib

    return optax.contrib.momo(step_cap * learning_rate, momentum)


def _momo_adam(learning_rate: float, momentum: float, step_cap: float) -> Any:
    import optax.contrib

    return optax.contrib.momo_adam(step_cap * learning_rate)


def _polyak(learning_rate: float, momentum: float, step_cap: float) -> Any:
    import optax

    # No momentum. "sps+", because otherwise a loss below 0, which it assumes to be the
    # minimum, would reverse the step.
    return optax.polyak_sgd(step_cap * learning_rate, variant="sps+")


_OF_LANDSCAPE = ("f", "eps", "c", "threshold")
BASE = Arm("base", "plain", "#000000")
LM = Arm("lm", "LM", "#D55E00", _OF_LANDSCAPE, ahead=_landscape, seen=_landscape_seen)
# Okabe and Ito's palette, whose colors color-blind readers can distinguish.
ARMS = {
    arm.name: arm
    for arm in (
        BASE,
        LM,
        Arm(
            "mean_scale",
            "mean scale",
            "#0072B2",
            _OF_LANDSCAPE,
            ahead=_replayed,
            seen=_replay_seen,
            replay=_mean_scale,
        ),
        Arm(
            "shuffled_scale",
            "shuffled scales",
            "#56B4E9",
            _OF_LANDSCAPE,
            ahead=_replayed,
            seen=_replay_seen,
            replay=_shuffled_scale,
        ),
        Arm("clip", "clip", "#009E73", ("clip_norm",), ahead=_clipped),
        Arm("warmup", "warm-up", "#CC79A7", ("warmup_steps",), schedule=_warmed_up),
        Arm(
            "lm_after",
            "LM after",
            "#E69F00",
            _OF_LANDSCAPE,
            after=_landscape,
            seen=_landscape_seen,
        ),
        Arm(
            "lm_c0",
            "LM, c = 0",
            "#882255",
            ("f", "eps"),
            ahead=_landscape_at_0,
            seen=_landscape_seen,
        ),
        Arm(
            "lm_clip",
            "LM, then clip",
            "#999933",
            (*_OF_LANDSCAPE, "clip_norm"),
            ahead=_landscape_and_clip,
            seen=_landscape_seen,
        ),
        Arm(
            "momo",
            "MoMo",
            "#332288",
            ("step_cap",),
            instead={"sgd": _momo, "adam": _momo_adam},
        ),
        Arm("polyak", "Polyak", "#44AA99", ("step_cap",), instead={"sgd": _polyak}),
        Arm("cosine", "cosine", "#777777", schedule=_cosine),
    )
}
DEFAULT_ARMS = (BASE.name, LM.name)
# Every field that some arm reads.
PARAMETERS = frozenset(name for arm in ARMS.values() for name in arm.parameters)
if TYPE_CHECKING:
    ArmName = str
else:  # the choices that --help lists
    ArmName = Literal[tuple(ARMS)]
