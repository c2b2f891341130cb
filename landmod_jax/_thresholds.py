"""Thresholds c: the height above which the landscape is flattened."""

import dataclasses
import functools
from typing import Any, Literal, NamedTuple, Protocol, get_args

import jax
import jax.numpy as jnp

from landmod_jax import _checks
from landmod_jax._numerics import highest


class InitFn(Protocol):
    def __call__(self, dtype: jax.typing.DTypeLike) -> Any: ...


class UpdateFn(Protocol):
    def __call__(self, state: Any, value: jax.Array) -> tuple[jax.Array, Any]: ...


class ShareFn(Protocol):
    def __call__(self, value: jax.Array) -> jax.Array: ...


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
      ValueError: init, update or share is not a function of so many arguments. At
        update: what `update` returns is not as above.

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
    share: ShareFn | None = None

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

    return _RUNNING_MIN


def _update_running(state: jax.Array, value: jax.Array) -> tuple[jax.Array, jax.Array]:
    c = jnp.minimum(state, value)
    return c, c


_RUNNING_MIN = Threshold(highest, _update_running)


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

    return Threshold(_nothing, _Constant(c))


def _nothing(dtype: jax.typing.DTypeLike) -> tuple[()]:
    del dtype
    return ()


@dataclasses.dataclass(frozen=True)
class _Constant:
    c: float | jax.Array

    def __call__(self, state: Any, value: jax.Array) -> tuple[jax.Array, Any]:
        return jnp.asarray(self.c, value.dtype), state


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

    return Threshold(_init_smoothed, _UpdateSmoothed(decay))


def _init_smoothed(dtype: jax.typing.DTypeLike) -> SmoothedMinState:
    return SmoothedMinState(
        steps=jnp.zeros((), jnp.int32),
        average=jnp.zeros((), dtype),
        c=highest(dtype),
    )


@dataclasses.dataclass(frozen=True)
class _UpdateSmoothed:
    decay: float | jax.Array

    def __call__(
        self, state: SmoothedMinState, value: jax.Array
    ) -> tuple[jax.Array, SmoothedMinState]:
        steps = state.steps + 1
        # Subtract before rounding: in float32, a decay near 1 leaves few digits of
        # 1 − decay.
        weight = jnp.asarray(1 - self.decay, value.dtype)
        average = state.average + (weight * value - weight * state.average)
        average = jnp.where(weight == 1, value, average)
        total = -jnp.expm1(steps.astype(value.dtype) * jnp.log1p(-weight))
        corrected = average / total
        c = jnp.minimum(state.c, corrected)
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

    return Threshold(_InitWindowed(n), _UpdateWindowed(n))


@dataclasses.dataclass(frozen=True)
class _InitWindowed:
    n: int

    def __call__(self, dtype: jax.typing.DTypeLike) -> WindowedMinState:
        return WindowedMinState(
            losses=jnp.full((self.n,), highest(dtype)), place=jnp.zeros((), jnp.int32)
        )


@dataclasses.dataclass(frozen=True)
class _UpdateWindowed:
    n: int

    def __call__(
        self, state: WindowedMinState, value: jax.Array
    ) -> tuple[jax.Array, WindowedMinState]:
        if state.losses.shape != (self.n,):
            raise ValueError(f"n is {self.n}; the losses have {state.losses.shape}")
        losses = state.losses.at[state.place].set(value)
        return losses.min(), WindowedMinState(losses, (state.place + 1) % self.n)


Reduce = Literal["min", "mean"]
CHAINS = "chains"


def population(
    reduce: Reduce = "min",
    axis_name: str | tuple[str, ...] = CHAINS,
    rule: Threshold | None = None,
) -> Threshold:
    """c follows a whole population instead of each member separately.

    Every member receives the minimum or the mean of the population's losses at this
    step, and `rule` computes c from it. With `running_min()`, c is the smallest minimum
    (or mean) so far; with `windowed_min(1)`, it is this step's, and can rise.

    Non-finite losses are ignored. If no loss is finite, c keeps its value.

    Args:
      reduce: "min" or "mean".
      axis_name: the mapped axis of the population, or several. In `annealing.anneal`
        and `annealing.metropolis`, "chains" is the axis of the chains. In
        `landscape_modify`, it is the axis of the vmap or shard_map around `update`. A
        vmap inside a shard_map needs the latter's check_vma=False.
      rule: the threshold for one member; by default `running_min()`.

    Raises:
      ValueError: an argument is none of the above, or, when c is updated, `axis_name`
        does not name a mapped axis.

    Example:
      >>> import jax, jax.numpy as jnp, landmod_jax as lm
      >>> particles = lm.population("min", axis_name="particles")
      >>> tx = lm.landscape_modify(threshold=particles)
      >>> def update(loss):
      ...     return tx.update(1.0, tx.init(None), value=loss)[1].c
      >>> print(jax.vmap(update, axis_name="particles")(jnp.array([3.0, 1.0])))
      [1. 1.]
    """
    _checks.choice("reduce", reduce, get_args(Reduce))
    axis = _checks.axis("axis_name", axis_name)
    if axis is None:
        raise ValueError("axis_name must name the axis of the population, got None")
    rule = running_min() if rule is None else rule
    if not isinstance(rule, Threshold):
        hint = _checks.uncalled("rule", rule)
        raise ValueError(
            "rule must be a Threshold, such as running_min(); got "
            f"{_checks.shown(rule)}{hint}"
        )
    if rule.share is not None:
        raise ValueError("rule must be the threshold of one member, got a population's")
    return Threshold(rule.init, rule.update, _Share(reduce, axis))


@dataclasses.dataclass(frozen=True)
class _Share:
    reduce: Reduce
    axis_name: str | tuple[str, ...]

    def __call__(self, value: jax.Array) -> jax.Array:
        reduced = _population_min if self.reduce == "min" else _population_mean
        try:
            return reduced(value, self.axis_name)
        except NameError as error:
            raise ValueError(
                f"axis_name is {self.axis_name!r}, which names no mapped axis here: "
                "the population is what a vmap or shard_map of that name maps"
            ) from error


def _population_mean(value: jax.Array, axis_name: Any) -> jax.Array:
    seen = jnp.isfinite(value)
    total = _over(jax.lax.psum, jnp.where(seen, value, 0), axis_name)
    return total / _over(jax.lax.psum, seen.astype(value.dtype), axis_name)


def _over(collective: Any, value: jax.Array, axis_name: Any) -> jax.Array:
    # One after the other: no single call accepts a vmap's axis and a mesh's together.
    for axis in (axis_name,) if isinstance(axis_name, str) else axis_name:
        value = collective(value, axis)
    return value


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _population_min(value: jax.Array, axis_name: Any) -> jax.Array:
    seen = jnp.where(jnp.isfinite(value), value, jnp.inf)
    return _over(jax.lax.pmin, seen, axis_name)


@_population_min.defjvp
def _population_min_jvp(axis_name: Any, primals: Any, tangents: Any) -> Any:
    # pmin has no derivative; here, equal minima share it.
    (value,), (dot,) = primals, tangents
    least = _population_min(value, axis_name)
    at_least = (value == least).astype(value.dtype)
    total = _over(jax.lax.psum, jnp.where(value == least, dot, 0), axis_name)
    return least, total / jnp.maximum(_over(jax.lax.psum, at_least, axis_name), 1)


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
    except Exception as error:
        raise ValueError(
            "threshold.update failed. If state was made with another threshold, use "
            "landmod_jax.reset; otherwise, the threshold is wrong. Its state was "
            f"{_checks.shown(state)}; {_checks.brief(error)}"
        ) from error
    if not _fits(new, state):
        raise ValueError(
            "threshold.update must return a pair: c, a scalar of value's dtype, and a "
            "state with the same structure, shapes and dtypes as its argument; for "
            f"{_checks.shown(state)} it returned {_checks.shown(new)}"
        )
    return jax.tree.map(lambda n, o: jnp.where(known, n, o), new, (c, state))


def updated_chains(
    threshold: Threshold, state: Any, value: jax.Array, c: jax.Array
) -> tuple[jax.Array, Any]:
    """`updated` for many chains at once, the first axis of everything."""
    update = functools.partial(updated, threshold)
    return jax.vmap(update, axis_name=CHAINS)(state, value, c)


def _fits(new: Any, state: Any) -> bool:
    if not isinstance(new, tuple) or len(new) != 2 or not isinstance(new[0], jax.Array):
        return False
    c, following = new
    real = jnp.issubdtype(c.dtype, jnp.floating)
    return real and c.shape == () and _types(following) == _types(state)


def _types(tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    arrays = [(jnp.shape(leaf), getattr(leaf, "dtype", None)) for leaf in leaves]
    return structure, arrays
