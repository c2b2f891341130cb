"""The arms of a comparison, each one record: what is done to an optimizer.

The plain optimizer, the optimizer behind landscape modification, and the controls: LM's
own scales without its timing (their mean; in shuffled order), clipping, a warm-up.
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


def _nothing_ahead(steps: int, axis_name: str | None) -> None:
    return None


def _nothing_seen(opt_state: Any) -> tuple[Any, Any]:
    return None, None  # no NaN, of which JAX_DEBUG_NANS would complain


@dataclasses.dataclass(frozen=True)
class Arm:
    """What is done to an optimizer, and how it is shown.

    Attributes:
      name: in configurations and on the command line.
      label: in tables.
      colour: in pictures.
      parameters: the fields of `RunConfig` that it reads. In a run of another arm they
        keep their defaults, so that one plain run serves any f and any clip norm.
      ahead: (steps, axis_name, **parameters) to what comes before weight decay and the
        optimizer; `steps` are those of the whole run.
      schedule: (learning_rate, **parameters) to the arm's own schedule of it, which
        leaves no room for weight averaging's.
      seen: the c and the scale of the last step, from the optimizer's state; None for
        what the arm does not have.
      replay: of an arm that multiplies gradients by the scales (n,) of the LM run with
        the same seed: (scales, steps, seed) to the scale of each of its steps.
    """

    name: str
    label: str
    colour: str
    parameters: tuple[str, ...] = ()
    ahead: "Callable[..., optax.GradientTransformation | None]" = _nothing_ahead
    schedule: "Callable[..., optax.Schedule] | None" = None
    seen: Callable[[Any], tuple[Any, Any]] = _nothing_seen
    replay: "Callable[[np.ndarray, int, int], np.ndarray] | None" = None

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
          learning_rate: a number where the arm has a schedule of its own.
          parameters: the values of the arm's parameters.
          steps: of the whole run.
          axis_name: the mapped axis that a mini-batch is spread over.

        Raises:
          UserError: a parameter is not what landmod_jax takes.
        """
        if self.schedule is not None:
            learning_rate = self.schedule(learning_rate, **parameters)
            parameters = {}
        return optimizer.create(
            learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            ahead=self.ahead(steps, axis_name, **parameters),
        )


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
    # An LM run that stopped early has fewer: they are gone through again.
    return np.resize(np.asarray(scales)[order], steps)


def _clipped(steps: int, axis_name: str | None, clip_norm: float) -> Any:
    import optax

    return optax.clip_by_global_norm(clip_norm)


def _warmed_up(learning_rate: float, warmup_steps: int) -> "optax.Schedule":
    import optax

    first = learning_rate / warmup_steps
    return optax.linear_schedule(first, learning_rate, warmup_steps - 1)


_OF_LANDSCAPE = ("f", "eps", "c", "threshold")
BASE = Arm("base", "plain", "#000000")
LM = Arm("lm", "LM", "#D55E00", _OF_LANDSCAPE, ahead=_landscape, seen=_landscape_seen)
# Colours from Okabe and Ito's palette, which the colour-blind can tell apart.
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
    )
}
DEFAULT_ARMS = (BASE.name, LM.name)
# Every field that some arm reads.
PARAMETERS = frozenset(name for arm in ARMS.values() for name in arm.parameters)
if TYPE_CHECKING:
    ArmName = str
else:  # the choices that --help lists
    ArmName = Literal[tuple(ARMS)]
