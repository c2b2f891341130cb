"""Landscape modification as a gradient transformation, and reading its state."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from landmod_jax import _checks
from landmod_jax import _shapes as shapes
from landmod_jax._numerics import at_height, held_eps, widened
from landmod_jax._thresholds import Threshold, running_min

AxisName = str | Sequence[str]


class LandscapeModifyState(NamedTuple):
    """State of `landscape_modify`.

    c and scale are float32, or float64 if jax_enable_x64 is on, whatever the dtype of
    the parameters. Both describe the last step; before the first, they are +inf and 0.

    If you set c, with `_replace`, the threshold restarts as if c had been the only loss
    so far; +inf makes it forget everything. Replace the whole state in a chain's, with
    `optax.tree.set(opt_state, LandscapeModifyState=...)`: `optax.tree.set(opt_state,
    c=...)` would also replace what other states hold for a parameter called "c".

    Attributes:
      count: steps so far, int32.
      c: the threshold, in units of the loss.
      scale: 1 / (f((value - c)₊) + eps), the factor of the last gradients.
      threshold: what the threshold has learned.
      learned_c: the c that the threshold computed. It differs from c if you set c.
    """

    count: Any  # shape=(), dtype=int32
    c: jax.Array  # shape=()
    scale: jax.Array  # shape=()
    threshold: optax.OptState
    learned_c: jax.Array  # shape=()


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
        by 1 / (f(0) + eps). The smallest ε used is √(smallest normal number), 1.1e-19
        in float32; smaller values, such as the end of a schedule to 0, are raised to
        it.
      threshold: the rule that sets c; by default `running_min()`.
      axis_name: name of a mapped axis, or a tuple of names. `value` is averaged over
        them first, so that replicas under pmap or shard_map agree on c.

    Returns:
      A transformation whose `update(updates, state, params=None, *, value)` takes the
      loss, a real scalar of any dtype. Updates keep their dtypes. Leaves
      that are not floating-point, real or complex, pass through unchanged.

    Raises:
      ValueError: an argument is none of the above. At update: `value` is missing or not
        a real scalar, the state belongs to another threshold, or `axis_name` does not
        name a mapped axis.

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
    threshold = running_min() if threshold is None else threshold
    own = _checked_threshold(threshold)
    axis_name = _checks.axis("axis_name", axis_name)

    def init_fn(params: optax.Params) -> LandscapeModifyState:
        del params
        dtype = jax.dtypes.canonicalize_dtype(float)
        return LandscapeModifyState(
            count=jnp.zeros((), jnp.int32),
            c=jnp.asarray(jnp.inf, dtype),
            scale=jnp.zeros((), dtype),
            threshold=threshold.init(dtype),
            learned_c=jnp.asarray(jnp.inf, dtype),
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
        value = _checks.loss(value, "landscape_modify")
        _check_state(state, own)
        dtype = jnp.result_type(state.scale)
        value = _mean(value.astype(dtype), axis_name)
        state = _restarted(state, threshold, dtype)

        finite = jnp.isfinite(value)
        shared = value if threshold.share is None else threshold.share(value)
        known = jnp.isfinite(shared)
        c, threshold_state = threshold.update(
            state.threshold, jnp.where(known, shared, 1)
        )
        c, learned_c, threshold_state = jax.tree.map(
            lambda new, old: jnp.where(known, new, old),
            (c, c, threshold_state),
            (state.c, state.learned_c, state.threshold),
        )
        f_now = at_height(shape, jnp.where(finite, value - c, 0))
        eps_now = eps
        if callable(eps):
            eps_now = _checks.scheduled("eps", eps, state.count)
        scale = jnp.where(finite, 1 / (f_now + held_eps(eps_now, dtype)), 0)
        return jax.tree.map(lambda g: _scaled(g, scale), updates), LandscapeModifyState(
            count=optax.safe_increment(state.count),
            c=c,
            scale=scale,
            threshold=threshold_state,
            learned_c=learned_c,
        )

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def _mean(value: jax.Array, axis_name: AxisName | None) -> jax.Array:
    if axis_name is None:
        return value
    try:
        return jax.lax.pmean(value, axis_name)
    except NameError as error:
        raise ValueError(
            f"axis_name is {axis_name!r}, which names no mapped axis here: call update "
            "inside the pmap, vmap or shard_map that maps it, or omit axis_name"
        ) from error


def _restarted(
    state: LandscapeModifyState, threshold: Threshold, dtype: jax.typing.DTypeLike
) -> LandscapeModifyState:
    """The state; if c was set by hand, with the threshold restarted from it.

    The threshold also restarts if its state has other shapes, as with a new n of
    windowed_min.
    """
    first = threshold.init(dtype)
    if not jax.tree.leaves(first):
        return state
    c = jnp.asarray(state.c, dtype)
    known = jnp.isfinite(c)
    _, after_c = threshold.update(first, jnp.where(known, c, 1))
    anew = jax.tree.map(lambda a, b: jnp.where(known, a, b), after_c, first)
    if _shapes(anew) == _shapes(state.threshold):
        was_set = c != state.learned_c
        anew = jax.tree.map(
            lambda new, old: jnp.where(was_set, new, old), anew, state.threshold
        )
    return state._replace(c=c, threshold=anew)


def _shapes(tree: Any) -> list[tuple[int, ...]]:
    return [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]


def current(opt_state: optax.OptState | Any) -> LandscapeModifyState:
    """Find the state of `landscape_modify` in any nested optimizer state.

    Args:
      opt_state: the state of a chain or wrapper, a flax TrainState, or an
        nnx.Optimizer.

    Returns:
      The LandscapeModifyState, with `.c`, `.scale` and `.count`.

    Raises:
      ValueError: the state contains none, or several.

    Example:
      >>> import optax, landmod_jax as lm
      >>> tx = optax.chain(lm.landscape_modify(), optax.sgd(0.1, momentum=0.9))
      >>> print(lm.current(tx.init({"w": 1.0})).c)
      inf
    """
    found = optax.tree.get_all_with_path(opt_state, LandscapeModifyState.__name__)
    if not found:
        raise ValueError(
            "no LandscapeModifyState in this optimizer state: is landscape_modify in "
            "the chain, and is this the state of that chain?"
        )
    if len(found) > 1:
        places = ", ".join(jax.tree_util.keystr(path) or "itself" for path, _ in found)
        raise ValueError(
            f"{len(found)} LandscapeModifyStates in this optimizer state, at {places}: "
            "pass the part that contains the one you mean"
        )
    return found[0][1]


def _checked_threshold(threshold: Any) -> Any:
    """The structure, shapes and dtypes of the threshold's state."""
    if not isinstance(threshold, Threshold):
        hint = _checks.uncalled("threshold", threshold)
        if isinstance(threshold, (int, float)) and not isinstance(threshold, bool):
            hint = f"; for a fixed c write threshold=constant({threshold})"
        raise ValueError(
            "threshold must be a Threshold, such as running_min() or constant(0.5); "
            f"got {_checks.shown(threshold)}{hint}"
        )
    _checks.function("threshold.init", threshold.init, 1)
    _checks.function("threshold.update", threshold.update, 2)
    if threshold.share is not None:
        _checks.function("threshold.share", threshold.share, 1)
    scalar = jax.ShapeDtypeStruct((), jnp.float32)
    try:
        state = jax.eval_shape(lambda: threshold.init(jnp.float32))
        c, following = jax.eval_shape(threshold.update, state, scalar)
    except Exception as error:
        raise ValueError(
            "threshold.init(dtype) must return arrays, and threshold.update(state, "
            f"value) a pair, c and the next state; {_checks.brief(error)}"
        ) from error
    if not isinstance(c, jax.ShapeDtypeStruct) or (c.shape, c.dtype) != (
        (),
        scalar.dtype,
    ):
        raise ValueError(
            "threshold.update must return c as a scalar of value's dtype; for float32, "
            f"it returned {c}"
        )
    if _types(following) != _types(state):
        raise ValueError(
            "threshold.update must return a state with the same structure, shapes and "
            f"dtypes as its argument; it received {state} and returned {following}"
        )
    return state


def _check_state(state: Any, own: Any) -> None:
    if not isinstance(state, LandscapeModifyState):
        raise ValueError(
            "state must be the LandscapeModifyState returned by init or by the last "
            f"update; got {_checks.shown(type(state))}"
        )
    shape = jnp.shape(state.c)
    if shape:
        raise ValueError(
            f"state must hold one c, a scalar; its c has shape {shape}: update several "
            "at once with jax.vmap"
        )
    # A threshold without state can replace any other.
    if jax.tree.leaves(own) and _structure(own) != _structure(state.threshold):
        raise ValueError(
            f"state was made with another threshold: state.threshold is "
            f"{_checks.shown(state.threshold)}, but this threshold needs {own}. To "
            "change the threshold of a run, use the new one's state: "
            "optax.tree.set(state, LandscapeModifyState=current(tx.init(params)))"
        )


def _structure(tree: Any) -> Any:
    return jax.tree.structure(tree), [jnp.ndim(leaf) for leaf in jax.tree.leaves(tree)]


def _types(tree: Any) -> Any:
    leaves = jax.tree.leaves(tree)
    return jax.tree.structure(tree), [(leaf.shape, leaf.dtype) for leaf in leaves]


def _scaled(g: Any, scale: jax.Array) -> Any:
    dtype = jnp.result_type(g)
    if not jnp.issubdtype(dtype, jnp.inexact):
        return g
    if jnp.issubdtype(dtype, jnp.complexfloating):
        # Part by part: a complex product would mix their infinities.
        return jax.lax.complex(_scaled(g.real, scale), _scaled(g.imag, scale))
    wide = widened(dtype)
    return (jnp.asarray(g, wide) * scale.astype(wide)).astype(dtype)
