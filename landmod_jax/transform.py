"""Landscape modification as a gradient transformation, and reading its state."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from landmod_jax import shapes
from landmod_jax.thresholds import Threshold, running_min


class LandscapeModifyState(NamedTuple):
    """State of `landscape_modify`: scalars, and the threshold's own state.

    c and scale are float32, or float64 where jax has that enabled, whatever the dtype
    of the parameters. Both describe the last step: +inf and 0 before the first.
    """

    count: Any  # steps so far, int32
    c: Any
    scale: Any  # 1 / (f((value - c)₊) + eps)
    threshold: Any


def landscape_modify(
    f: str | shapes.ScalarFn = "linear",
    eps: float | jax.Array | optax.Schedule = 1.0,
    *,
    threshold: Threshold | None = None,
    axis_name: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Descend the modified landscape H in place of the loss U.

    H has the stationary points of U and lower hills above the threshold c. Its
    gradient (2.12) is that of U times one number,

    .. math::
      \nabla H = \frac{\nabla U}{f((U - c)_+) + \varepsilon},

    which this transformation takes from the loss, given as ``value=`` at each update:
    c is brought up to date first, then every gradient is multiplied by
    scale = 1 / (f((value − c)₊) + eps). Chain it ahead of the optimizer, and ahead of
    weight decay.

    A value that is not finite leaves c as it is and gives scale 0: a step without a
    gradient. A NaN gradient stays NaN, for `optax.apply_if_finite` to see.

    Args:
      f: shape of the modification: "linear" (the thesis's), "quadratic", "sqrt",
        "cbrt", "bounded", a `Shape`, or any callable from a scalar u ≥ 0 to f(u) ≥ 0.
      eps: ε > 0, or an `optax.Schedule` of it. Steps at or below c are multiplied by
        1 / (f(0) + eps).
      threshold: what c is; by default `running_min()`.
      axis_name: a mapped axis, or several, over which `value` is averaged first, so
        that replicas under pmap or shard_map agree on c.

    Returns:
      A transformation whose `update(updates, state, params=None, *, value)` takes a
      scalar loss, real and of any dtype. Updates keep their dtypes; leaves that are not
      real or complex floating point pass through.

    Raises:
      ValueError: an argument is none of the above; at update, `value` is missing or not
        a real scalar.

    Example:
      >>> import jax, jax.numpy as jnp, optax
      >>> from landmod_jax import current, landscape_modify
      >>> tx = optax.chain(landscape_modify(), optax.adam(0.1))
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
    eps_at = eps if callable(eps) else _constant_eps(eps)
    threshold = _checked_threshold(threshold)

    def init_fn(params: optax.Params) -> LandscapeModifyState:
        del params
        dtype = jax.dtypes.canonicalize_dtype(float)
        return LandscapeModifyState(
            count=jnp.zeros((), jnp.int32),
            c=jnp.asarray(jnp.inf, dtype),
            scale=jnp.zeros((), dtype),
            threshold=threshold.init(dtype),
        )

    def update_fn(
        updates: optax.Updates,
        state: LandscapeModifyState,
        params: optax.Params | None = None,
        *,
        value: Any = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, LandscapeModifyState]:
        del params, extra_args
        value = _checked_value(value).astype(state.c.dtype)
        if axis_name is not None:
            value = jax.lax.pmean(value, axis_name)
        finite = jnp.isfinite(value)
        c, threshold_state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old),
            threshold.update(state.threshold, value),
            (state.c, state.threshold),
        )
        u = jnp.where(finite, jnp.maximum(value - c, 0), 0)
        eps_now = jnp.asarray(eps_at(state.count), u.dtype)
        scale = jnp.where(finite, 1 / (shape(u).astype(u.dtype) + eps_now), 0)
        return jax.tree.map(lambda g: _scaled(g, scale), updates), LandscapeModifyState(
            count=optax.safe_increment(state.count),
            c=c,
            scale=scale,
            threshold=threshold_state,
        )

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def current(opt_state: Any) -> LandscapeModifyState:
    """The state of `landscape_modify` inside any nested optimizer state.

    Args:
      opt_state: what `init` or `update` of a chain, a wrapper, a flax TrainState or an
        nnx.Optimizer holds.

    Returns:
      The LandscapeModifyState, with `.c`, `.scale` and `.count`.

    Raises:
      ValueError: there is none, or there are several.

    Example:
      >>> import optax, landmod_jax as lm
      >>> tx = optax.chain(lm.landscape_modify(), optax.sgd(0.1, momentum=0.9))
      >>> print(lm.current(tx.init({"w": 1.0})).c)
      inf
    """

    def is_ours(node: Any) -> bool:
        return isinstance(node, LandscapeModifyState)

    found = [
        (path, node)
        for path, node in jax.tree_util.tree_leaves_with_path(opt_state, is_ours)
        if is_ours(node)
    ]
    if not found:
        raise ValueError(
            "no LandscapeModifyState in this optimizer state: is landscape_modify in "
            "the chain, and is this the state of that chain?"
        )
    if len(found) > 1:
        places = ", ".join(jax.tree_util.keystr(path) or "itself" for path, _ in found)
        raise ValueError(
            f"{len(found)} LandscapeModifyStates in this optimizer state, at {places}: "
            "give the part that holds the one you mean"
        )
    return found[0][1]


def _constant_eps(eps: Any) -> Callable[[Any], Any]:
    try:
        # Under optax.inject_hyperparams eps is an array, and traced.
        bad = not isinstance(eps, jax.core.Tracer) and not (
            math.isfinite(eps) and eps > 0
        )
    except TypeError:
        bad = True
    if bad:
        raise ValueError(
            "eps must be finite and greater than 0, or a schedule (a function of the "
            f"step); got {eps!r}"
        )
    return lambda count: eps


def _checked_threshold(threshold: Any) -> Threshold:
    if threshold is None:
        return running_min()
    if not isinstance(threshold, Threshold):
        hint = ""
        if isinstance(threshold, (int, float)):
            hint = f"; for a fixed c write threshold=constant({threshold})"
        elif callable(threshold):
            name = getattr(threshold, "__name__", "it")
            hint = f"; call it: threshold={name}()"
        raise ValueError(
            "threshold must be a Threshold, such as running_min() or constant(0.5); "
            f"got {threshold!r}{hint}"
        )
    return threshold


def _checked_value(value: Any) -> jax.Array:
    if value is None:
        raise ValueError(
            "landscape_modify needs the loss of this step. Write\n"
            "    updates, state = tx.update(grads, state, params, value=loss)\n"
            "If you do, a wrapper around it drops the argument: see the page on "
            "compatibility for what to write instead."
        )
    value = jnp.asarray(value)
    if value.ndim:
        raise ValueError(
            f"value must be a scalar, got shape {value.shape}: average the loss over "
            "the batch, value=loss.mean()"
        )
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        raise ValueError(f"value must be real, got dtype {value.dtype}")
    return value


def _scaled(g: Any, scale: jax.Array) -> Any:
    dtype = jnp.result_type(g)
    if not jnp.issubdtype(dtype, jnp.inexact):
        return g
    if jnp.issubdtype(dtype, jnp.complexfloating):
        # Part by part: a complex product would mix their infinities.
        return jax.lax.complex(_scaled(g.real, scale), _scaled(g.imag, scale))
    wide = jnp.promote_types(dtype, jnp.float32)
    return (jnp.asarray(g, wide) * scale.astype(wide)).astype(dtype)
