"""Thresholds c: the height above which the landscape is flattened."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landmod_jax import _checks
from landmod_jax._bound import Bound
from landmod_jax._numerics import highest, types_of


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A rule that sets c: pure functions, like an optax transformation.

    Thresholds of equal functions are equal. Those of this module are equal for equal
    arguments, and can be pickled.

    Attributes:
      init: `init(dtype)` returns the initial state. It contains arrays only; those that
        hold losses have this dtype.
      update: `update(state, value)` returns c for this step, a scalar of value's dtype,
        and the next state, with the same structure, shapes and dtypes. Its value is
        finite; after a step with another loss, c and the state are as before it.
      share: for a population, `share(value)` returns the value that all members pass to
        their `update`, by collectives over a mapped axis; see `population`. It may
        receive non-finite values. If its result is not finite, c keeps its value.

    Keep in the state what the threshold learns from losses, never its arguments.

    Raises:
      ValueError: init, update or share is not a function. At update: what `update`
        returns is not as above.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> def half_of_the_last():
      ...     return lm.Threshold(
      ...         init=lambda dtype: jnp.zeros((), dtype),
      ...         update=lambda state, value: (state, value / 2),
      ...     )
      >>> tx = lm.landscape_modify(threshold=half_of_the_last())
    """

    init: Callable[[jax.typing.DTypeLike], Any]
    update: Callable[[Any, jax.Array], tuple[jax.Array, Any]]
    share: Callable[[jax.Array], jax.Array] | None = None

    def __post_init__(self) -> None:
        _checks.function("threshold.init", self.init, 1)
        _checks.function("threshold.update", self.update, 2)
        if self.share is not None:
            _checks.function("threshold.share", self.share, 1)


def running_min() -> Threshold:
    """c is the smallest loss so far, including this step's.

    This is the thesis's choice (section 2.1.2, appendix B) and the default. c never
    rises, so use it when the loss decreases overall. One lucky mini-batch can pin c for
    the rest of the run; `smoothed_min` and `windowed_min` avoid that.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.landscape_modify(threshold=lm.running_min())
      >>> state = tx.init(None)
      >>> for loss in (3.0, 1.0, 2.0):
      ...     _, state = tx.update(None, state, value=loss)
      ...     print(state.c)
      3.0
      1.0
      1.0
    """
    return Threshold(highest, _update_running)


def _update_running(state: jax.Array, value: jax.Array) -> tuple[jax.Array, jax.Array]:
    c = jnp.minimum(state, value)
    return c, c


def constant(c: float | jax.Array) -> Threshold:
    """c is fixed, as in (2.1). Use it when you know above which loss to flatten.

    At or below c, gradients are only divided by f(0) + eps. c = +inf switches the
    modification off. c = -inf stops all steps, unless f is bounded: f is then evaluated
    at the largest float.

    c is not part of the state, so a run that you resume with another c uses that c.

    Args:
      c: in units of the loss.

    Raises:
      ValueError: c is not a real number.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.landscape_modify(threshold=lm.constant(1.0))
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(None), value=3.0)
      >>> print(updates)  # 6 / ((3 - 1) + 1)
      [2.]
    """
    c = _checks.number("c", c, infinite=True)
    return Threshold(_nothing, Bound(_update_constant, (c,)))


def _nothing(dtype: jax.typing.DTypeLike) -> tuple[()]:
    del dtype
    return ()


def _update_constant(
    state: tuple[()], value: jax.Array, c: float | jax.Array
) -> tuple[jax.Array, tuple[()]]:
    return jnp.asarray(c, value.dtype), state


class SmoothedMinState(NamedTuple):
    steps: jax.Array  # int32
    average: jax.Array  # of the losses so far, not yet corrected for its start at 0
    c: jax.Array


def smoothed_min(decay: float | jax.Array = 0.9) -> Threshold:
    """c is the smallest bias-corrected average of the loss so far.

    The average is exponential, ā ← decay · ā + (1 − decay) · value, and after t steps
    it is divided by 1 − decayᵗ. Use it with small, noisy mini-batches.

    Args:
      decay: in [0, 1). It averages over about 1 / (1 - decay) steps; 0 is equivalent to
        `running_min`.

    Raises:
      ValueError: decay is outside [0, 1).

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.landscape_modify(threshold=lm.smoothed_min(0.5))
      >>> state = tx.init(None)
      >>> for loss in (3.0, 0.0, 2.0):
      ...     _, state = tx.update(None, state, value=loss)
      ...     print(state.c)
      3.0
      1.0
      1.0
    """
    decay = _checks.number("decay", decay, least=0, below=1)
    return Threshold(_init_smoothed, Bound(_update_smoothed, (decay,)))


def _init_smoothed(dtype: jax.typing.DTypeLike) -> SmoothedMinState:
    return SmoothedMinState(
        jnp.zeros((), jnp.int32), jnp.zeros((), dtype), highest(dtype)
    )


def _update_smoothed(
    state: SmoothedMinState, value: jax.Array, decay: float | jax.Array
) -> tuple[jax.Array, SmoothedMinState]:
    steps = state.steps + 1
    # Subtract before rounding: in float32, a decay near 1 leaves 1 − decay few digits.
    weight = jnp.asarray(1 - decay, value.dtype)
    average = state.average + (weight * value - weight * state.average)
    average = jnp.where(weight == 1, value, average)
    total = -jnp.expm1(steps.astype(value.dtype) * jnp.log1p(-weight))
    c = jnp.minimum(state.c, average / total)
    return c, SmoothedMinState(steps, average, c)


class WindowedMinState(NamedTuple):
    losses: jax.Array  # (n,), the oldest is overwritten
    place: jax.Array  # of the next one


def windowed_min(n: int) -> Threshold:
    """c is the smallest of the last n losses, including this step's.

    c can rise again, so use it when the loss can: with warm restarts, curricula or a
    changing objective. With n = 1, every step has scale 1 / (f(0) + eps).

    Args:
      n: number of steps to look back, at least 1. One epoch is a good start. n is
        the size of an array in the state, so it cannot be traced. To continue a run
        with another n, `reset` its state.

    Raises:
      ValueError: n is not an integer of at least 1.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.landscape_modify(threshold=lm.windowed_min(2))
      >>> state = tx.init(None)
      >>> for loss in (1.0, 3.0, 2.0):
      ...     _, state = tx.update(None, state, value=loss)
      ...     print(state.c)
      1.0
      1.0
      2.0
    """
    n = _checks.integer("n", n, least=1)
    return Threshold(Bound(_init_windowed, (n,)), Bound(_update_windowed, (n,)))


def _init_windowed(dtype: jax.typing.DTypeLike, n: int) -> WindowedMinState:
    return WindowedMinState(jnp.full((n,), highest(dtype)), jnp.zeros((), jnp.int32))


def _update_windowed(
    state: WindowedMinState, value: jax.Array, n: int
) -> tuple[jax.Array, WindowedMinState]:
    if state.losses.shape != (n,):
        raise ValueError(f"n is {n}; the losses have {state.losses.shape}")
    losses = state.losses.at[state.place].set(value)
    return losses.min(), WindowedMinState(losses, (state.place + 1) % n)


def resolve(threshold: Any, name: str = "threshold") -> Threshold:
    """The threshold, `running_min()` for None."""
    if threshold is None:
        return running_min()
    if isinstance(threshold, Threshold):
        return threshold
    hint = _checks.uncalled(name, threshold)
    if isinstance(threshold, (int, float)) and not isinstance(threshold, bool):
        hint = f"; for a fixed c write {name}=constant({threshold})"
    raise ValueError(
        f"{name} must be a Threshold, such as running_min() or constant(0.5); "
        f"got {_checks.shown(threshold)}{hint}"
    )


def updated(
    threshold: Threshold, state: Any, value: jax.Array, c: jax.Array
) -> tuple[jax.Array, Any]:
    """c and the threshold's state after a value, through `share` where there is one.

    A value that is not finite leaves both as they are.
    """
    if threshold.share is not None:
        value = threshold.share(value)
    known = jnp.isfinite(value)
    try:
        new = threshold.update(state, jnp.where(known, value, 1))
        if types_of(new) != types_of((value, state)):
            raise TypeError(f"it returned {_checks.shown(new)}")
    except Exception as error:
        raise ValueError(
            "threshold.update must return a pair: c, a scalar of value's dtype, and a "
            "state with the same structure, shapes and dtypes as its argument. For a "
            "state of another threshold, use landmod_jax.reset first. The state was "
            f"{_checks.shown(state)}; {_checks.brief(error)}"
        ) from error
    return jax.tree.map(lambda n, o: jnp.where(known, n, o), new, (c, state))


CHAINS = "chains"


def updated_chains(
    threshold: Threshold, state: Any, value: jax.Array, c: jax.Array
) -> tuple[jax.Array, Any]:
    """`updated` for many chains at once, the first axis of everything."""
    update = functools.partial(updated, threshold)
    return jax.vmap(update, axis_name=CHAINS)(state, value, c)
