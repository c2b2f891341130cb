"""Landscape modification as a gradient transformation; its state read and reset."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from landmod_jax import _checks
from landmod_jax import _shapes as shapes
from landmod_jax import _thresholds as thresholds
from landmod_jax._numerics import at_height, held_eps, highest, widened
from landmod_jax._thresholds import Threshold

AxisName = str | Sequence[str]


class LandscapeModifyState(NamedTuple):
    """State of `landscape_modify`.

    c and scale are float32, or float64 if jax_enable_x64 is on, whatever the dtype of
    the parameters. Both describe the last step. Before the first loss, c is the largest
    float of its dtype and scale is 0.

    To make c forget its losses, use `reset`: c is the result of the threshold's state,
    so setting it by hand has no effect.

    Attributes:
      count: steps so far, int32.
      c: the threshold, in units of the loss.
      scale: 1 / (f((value - c)₊) + eps), the factor of the last gradients.
      threshold: what the threshold has learned.
    """

    count: Any  # shape=(), dtype=int32
    c: jax.Array  # shape=()
    scale: jax.Array  # shape=()
    threshold: optax.OptState


def landscape_modify(
    f: str | shapes.ScalarFn = "linear",
    eps: jax.typing.ArrayLike | optax.Schedule = 1.0,
    *,
    threshold: Threshold | None = None,
    axis_name: AxisName | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Descend the modified landscape H instead of the loss U.

    H has the stationary points of U and lower hills above the threshold c. Its gradient
    (2.12) is the gradient of U times one number,

    .. math::
      \nabla H = \frac{\nabla U}{f((U - c)_+) + \varepsilon}.

    Pass the loss as ``value=`` to each update. The transformation first updates c, then
    multiplies every gradient by scale = 1 / (f((value − c)₊) + eps).

    Chain it before SGD and weight decay, and after Adam. Before an optimizer that
    normalizes gradients, much of the scale cancels.

    If value is not finite, c keeps its value and scale is 0, so the optimizer receives
    a zero gradient. If the gradient is NaN or infinite as well, it becomes NaN, so that
    `optax.apply_if_finite` sees it.

    Args:
      f: shape of the modification: "linear" (the thesis's), "quadratic", "sqrt",
        "cbrt", "bounded", a `Shape`, or any callable from a scalar u ≥ 0 to f(u) ≥ 0.
      eps: ε > 0, or an `optax.Schedule` of it. At or below c, gradients are multiplied
        by 1 / (f(0) + eps). Where a schedule or a traced ε is not greater than 0, scale
        is 0, as for a loss that is not finite: let a schedule end above 0. The smallest
        ε used is √(smallest normal number), 1.1e-19 in float32.
      threshold: the rule that sets c; by default `running_min()`.
      axis_name: name of a mapped axis, or a tuple of names. `value` is averaged over
        them first, so that replicas under pmap or shard_map agree on c.

    Returns:
      A transformation whose `update(updates, state, params=None, *, value)` takes the
      loss, a real scalar of any dtype. Updates keep their dtypes. Leaves
      that are not floating-point, real or complex, pass through unchanged.

    Raises:
      ValueError: an argument is none of the above. At update: `value` is missing or not
        a real scalar, the state belongs to another threshold, a schedule does not
        return a real scalar, or `axis_name` does not name a mapped axis.

    Example:
      >>> import jax, jax.numpy as jnp, optax
      >>> from landmod_jax import current, landscape_modify
      >>> tx = optax.chain(landscape_modify(), optax.sgd(0.1))
      >>> def loss_fn(x):
      ...     return jnp.sin(x) + jnp.sin(10 * x / 3)
      >>> x = jnp.float32(3.0)
      >>> state = tx.init(x)
      >>> for _ in range(50):
      ...     loss, grad = jax.value_and_grad(loss_fn)(x)
      ...     updates, state = tx.update(grad, state, x, value=loss)
      ...     x = optax.apply_updates(x, updates)
      >>> print(f"loss {loss:.2f}, c {current(state).c:.2f}")
      loss -1.20, c -1.20

    References:
      Todea, Landscape Modification in Machine Learning Optimization, 2022.

      Choi, On the convergence of an improved and adaptive kinetic simulated annealing,
      2020, https://arxiv.org/abs/2009.00195
    """
    shape = shapes.resolve(f)
    eps = _checks.rate("eps", eps, above=0)
    rule = thresholds.resolve(threshold)
    if axis_name is not None:
        axis_name = _checks.axis("axis_name", axis_name)

    def init_fn(params: optax.Params) -> LandscapeModifyState:
        del params
        dtype = jax.dtypes.canonicalize_dtype(float)
        return LandscapeModifyState(
            count=jnp.zeros((), jnp.int32),
            c=highest(dtype),
            scale=jnp.zeros((), dtype),
            threshold=rule.init(dtype),
        )

    def update_fn(
        updates: optax.Updates,
        state: LandscapeModifyState,
        params: optax.Params | None = None,
        *,
        value: jax.typing.ArrayLike | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, LandscapeModifyState]:
        del params, extra_args
        _check_state(state)
        dtype = state.scale.dtype
        value = _checks.loss(value, "landscape_modify", dtype)
        if axis_name is not None:
            value = _checks.over_axis(jax.lax.pmean, value, axis_name)
        c, learned = thresholds.updated(rule, state.threshold, value, state.c)
        # The largest float in place of infinity, at which a user's f may be NaN.
        height = jnp.minimum(value - c, float(jnp.finfo(dtype).max))
        usable = jnp.isfinite(value)
        f_now = at_height(shape, jnp.where(usable, height, 0))
        eps_now = eps
        if callable(eps):
            eps_now = _checks.scheduled("eps", eps, state.count)
        if eps_now is not eps or not _checks.fixed(eps):
            usable &= eps_now > 0
        scale = jnp.where(usable, 1 / (f_now + held_eps(eps_now, dtype)), 0)
        return jax.tree.map(lambda g: _scaled(g, scale), updates), LandscapeModifyState(
            optax.safe_increment(state.count), c, scale, learned
        )

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def current(opt_state: optax.OptState | Any) -> LandscapeModifyState:
    """Find the state of `landscape_modify` in any nested optimizer state.

    Args:
      opt_state: the state of a chain or wrapper, a flax TrainState, or an
        nnx.Optimizer.

    Returns:
      The LandscapeModifyState, whose `.c`, `.scale` and `.count` are arrays.

    Raises:
      ValueError: the state contains none, or several.

    Example:
      >>> import optax, landmod_jax as lm
      >>> tx = optax.chain(lm.landscape_modify(), optax.sgd(0.1, momentum=0.9))
      >>> state = tx.init({"w": 1.0})
      >>> _, state = tx.update({"w": 1.0}, state, value=3.0)
      >>> print(lm.current(state).c)
      3.0
    """
    states = _states(opt_state)
    if not states:
        raise ValueError(_NONE)
    if len(states) > 1:
        places = ", ".join(jax.tree_util.keystr(path) or "itself" for path, _ in states)
        raise ValueError(
            f"{len(states)} LandscapeModifyStates in this optimizer state, at {places}"
            ": pass the part that contains the one you mean"
        )
    # An nnx.Optimizer keeps each array in a variable.
    return jax.tree.map(
        lambda leaf: leaf.get_value() if hasattr(leaf, "get_value") else leaf,
        states[0][1],
        is_leaf=lambda node: hasattr(node, "get_value"),
    )


def reset(
    tx: optax.GradientTransformation, opt_state: optax.OptState, params: optax.Params
) -> optax.OptState:
    """Make c forget all losses, as when training continues on another task.

    Momentum and everything else of the other transformations stay as they are, and so
    does the step count of `landscape_modify`, which its schedule of ε depends on.

    Args:
      tx: the optimizer. Its threshold may be another one than that of `opt_state`, so
        this also changes the threshold of a run.
      opt_state: the state of tx.
      params: the parameters, for tx.init.

    Returns:
      opt_state with each LandscapeModifyState in it as tx.init returns it.

    Raises:
      ValueError: opt_state contains no LandscapeModifyState, or is not a state of tx.

    Example:
      >>> import jax.numpy as jnp, optax, landmod_jax as lm
      >>> tx = optax.chain(lm.landscape_modify(), optax.adam(0.1))
      >>> w = jnp.ones(2)
      >>> _, state = tx.update(w, tx.init(w), w, value=1.0)
      >>> state = lm.reset(tx, state, w)
      >>> _, state = tx.update(w, state, w, value=5.0)
      >>> print(lm.current(state).c)
      5.0
    """
    if not _states(opt_state):
        raise ValueError(_NONE)
    fresh = _checks.transformation("tx", tx).init(params)
    try:
        return jax.tree.map(
            lambda old, new: new._replace(count=old.count) if _is_state(old) else old,
            opt_state,
            fresh,
            is_leaf=_is_state,
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"opt_state must be a state of tx; {_checks.brief(error)}"
        ) from error


_NONE = (
    "no LandscapeModifyState in this optimizer state: is landscape_modify in the "
    "chain, and is this the state of that chain?"
)


def _is_state(node: Any) -> bool:
    return isinstance(node, LandscapeModifyState)


def _states(opt_state: Any) -> list[tuple[Any, Any]]:
    return optax.tree.get_all_with_path(opt_state, LandscapeModifyState.__name__)


def _check_state(state: Any) -> None:
    if not _is_state(state):
        old = isinstance(state, dict) and "learned_c" in state
        hint = "; states of version 0.2, with learned_c, cannot be used" if old else ""
        raise ValueError(
            "state must be the LandscapeModifyState returned by init or by the last "
            f"update; got a {type(state).__name__}{hint}. To add LM to the state of a "
            "run without it, see 'Checkpoints without LM' in docs/compatibility.md"
        )


def _scaled(g: Any, scale: jax.Array) -> Any:
    dtype = jnp.result_type(g)
    if not jnp.issubdtype(dtype, jnp.inexact):
        return g
    if jnp.issubdtype(dtype, jnp.complexfloating):
        # Part by part: a complex product would mix their infinities.
        return jax.lax.complex(_scaled(g.real, scale), _scaled(g.imag, scale))
    if dtype == scale.dtype and isinstance(g, jax.Array):
        return g * scale
    wide = widened(dtype)
    return (jnp.asarray(g, wide) * scale.astype(wide)).astype(dtype)
