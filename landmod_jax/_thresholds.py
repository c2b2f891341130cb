"""Thresholds c: the height above which the landscape is flattened."""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from landmod_jax import _checks
from landmod_jax._memo import same_for_same_arguments


class InitFn(Protocol):
    def __call__(self, dtype: jax.typing.DTypeLike) -> Any: ...


class UpdateFn(Protocol):
    def __call__(self, state: Any, value: jax.Array) -> tuple[jax.Array, Any]: ...


class Threshold(NamedTuple):
    """A rule that sets c: a pair of pure functions, like an optax transformation.

    Attributes:
      init: `init(dtype)` returns the initial state. It contains arrays only; those that
        hold losses have this dtype.
      update: `update(state, value)` returns c for this step, a scalar of value's dtype,
        and the next state, with the same structure, shapes and dtypes. It only receives
        finite values.

    Keep in the state what the threshold learns from losses, never its arguments.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> def half_of_the_last():
      ...     return lm.Threshold(
      ...         init=lambda dtype: jnp.zeros((), dtype),
      ...         update=lambda state, value: (state, value / 2),
      ...     )
      >>> tx = lm.landscape_modify(threshold=half_of_the_last())
    """

    init: InitFn
    update: UpdateFn


@same_for_same_arguments
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

    def init_fn(dtype: jax.typing.DTypeLike) -> jax.Array:
        return jnp.asarray(jnp.inf, dtype)

    def update_fn(state: jax.Array, value: jax.Array) -> tuple[jax.Array, jax.Array]:
        c = jnp.minimum(state, value)
        return c, c

    return Threshold(init_fn, update_fn)


@same_for_same_arguments
def constant(c: float | jax.Array) -> Threshold:
    """c is fixed, as in (2.1). Use it when you know above which loss to flatten.

    At or below c, gradients are only divided by f(0) + eps. c = +inf switches the
    modification off; c = -inf stops all steps.

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

    def init_fn(dtype: jax.typing.DTypeLike) -> tuple[()]:
        del dtype
        return ()

    def update_fn(state: tuple[()], value: jax.Array) -> tuple[jax.Array, tuple[()]]:
        return jnp.asarray(c, value.dtype), state

    return Threshold(init_fn, update_fn)


class SmoothedMinState(NamedTuple):
    steps: jax.Array  # int32
    average: jax.Array  # of the losses so far, not yet corrected for its start at 0
    c: jax.Array


@same_for_same_arguments
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

    def init_fn(dtype: jax.typing.DTypeLike) -> SmoothedMinState:
        return SmoothedMinState(
            steps=jnp.zeros((), jnp.int32),
            average=jnp.zeros((), dtype),
            c=jnp.asarray(jnp.inf, dtype),
        )

    def update_fn(
        state: SmoothedMinState, value: jax.Array
    ) -> tuple[jax.Array, SmoothedMinState]:
        steps = state.steps + 1
        average = decay * state.average + (1 - decay) * value
        corrected = average / (1 - decay ** steps.astype(value.dtype))
        average, corrected = average.astype(value.dtype), corrected.astype(value.dtype)
        c = jnp.minimum(state.c, corrected)
        return c, SmoothedMinState(steps, average, c)

    return Threshold(init_fn, update_fn)


class WindowedMinState(NamedTuple):
    losses: jax.Array  # (n,), the oldest is overwritten
    place: jax.Array  # of the next one


@same_for_same_arguments
def windowed_min(n: int) -> Threshold:
    """c is the smallest of the last n losses, including this step's.

    c can rise again, so use it when the loss can: with warm restarts, curricula or a
    changing objective. With n = 1, every step has scale 1 / (f(0) + eps).

    Args:
      n: number of steps to look back, at least 1. One epoch is a good start. n is
        the size of an array in the state, so it cannot be traced. A run that you resume
        with another n restarts its window from c.

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

    def init_fn(dtype: jax.typing.DTypeLike) -> WindowedMinState:
        return WindowedMinState(
            losses=jnp.full((n,), jnp.inf, dtype), place=jnp.zeros((), jnp.int32)
        )

    def update_fn(
        state: WindowedMinState, value: jax.Array
    ) -> tuple[jax.Array, WindowedMinState]:
        losses = state.losses.at[state.place].set(value)
        return losses.min(), WindowedMinState(losses, (state.place + 1) % n)

    return Threshold(init_fn, update_fn)
