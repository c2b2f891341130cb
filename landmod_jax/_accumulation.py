"""Gradient accumulation that averages the loss as well."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from landmod_jax import _checks
from landmod_jax._numerics import widened


class AccumulateState(NamedTuple):
    """State of `accumulate`.

    Attributes:
      micro_step: calls since the last real step, int32.
      grads: the mean gradient of these calls, in float32 for half-precision leaves.
      value: the mean loss of these calls.
      inner: the state of the wrapped optimizer.
    """

    micro_step: jax.Array
    grads: optax.Updates
    value: jax.Array
    inner: optax.OptState


def accumulate(
    tx: optax.GradientTransformation, every: jax.typing.ArrayLike
) -> optax.GradientTransformationExtraArgs:
    """Take one step of `tx` with the mean gradient and mean loss of `every` calls.

    With micro-batches of equal size, this is the same step as on one large batch: c and
    scale are computed from the large batch's loss. The calls in between return zero
    updates and leave the state of `tx` alone. (`optax.MultiSteps` would pass only the
    last micro-batch's loss.)

    Args:
      tx: an optimizer, with or without `landscape_modify` in it. With `optax.masked`,
        exclude parameters that are not floating-point.
      every: number of micro-batches per step, at least 1; may be traced.

    Returns:
      A transformation whose `update` requires `value`, the loss of the micro-batch.

    Raises:
      ValueError: tx is not a transformation, or every is not an integer of at least 1.
        At update: value is missing or not a real scalar.

    Example:
      >>> import jax.numpy as jnp, optax, landmod_jax as lm
      >>> inner = optax.chain(lm.landscape_modify(), optax.sgd(1.0))
      >>> tx = lm.accumulate(inner, every=2)
      >>> w = jnp.array([0.0])
      >>> state = tx.init(w)
      >>> for g, loss in ((1.0, 4.0), (3.0, 2.0)):
      ...     updates, state = tx.update(jnp.array([g]), state, w, value=loss)
      ...     print(updates, lm.current(state).c)
      [0.] 3.4028235e+38
      [-2.] 3.0
    """
    every = _checks.integer("every", every, least=1, static=False)
    inner = optax.with_extra_args_support(_checks.transformation("tx", tx))

    def init_fn(params: optax.Params) -> AccumulateState:
        return AccumulateState(
            micro_step=jnp.zeros((), jnp.int32),
            grads=jax.tree.map(
                lambda p: jnp.zeros_like(p, widened(jnp.result_type(p))), params
            ),
            value=jnp.zeros((), jax.dtypes.canonicalize_dtype(float)),
            inner=inner.init(params),
        )

    def update_fn(
        updates: optax.Updates,
        state: AccumulateState,
        params: optax.Params | None = None,
        *,
        value: jax.typing.ArrayLike | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, AccumulateState]:
        value = _checks.loss(value, "accumulate", state.value.dtype)
        step = state.micro_step + 1

        def mean(old: jax.Array, new: jax.typing.ArrayLike) -> jax.Array:
            change = jnp.asarray(new, old.dtype) - old
            return old + change / step.astype(change.real.dtype)

        def narrowed(tree: optax.Updates) -> optax.Updates:
            return jax.tree.map(
                lambda u, leaf: leaf.astype(jnp.result_type(u)), updates, tree
            )

        grads = jax.tree.map(mean, state.grads, updates)
        loss, mean_grads = mean(state.value, value), narrowed(grads)
        # optax.tree.zeros_like would lose explicit shardings.
        nothing, zeros = jax.tree.map(jnp.zeros_like, (grads, mean_grads))

        def make_step() -> tuple[optax.Updates, AccumulateState]:
            stepped, inner_state = inner.update(
                mean_grads, state.inner, params, value=loss, **extra_args
            )
            return narrowed(stepped), AccumulateState(
                jnp.zeros_like(step), nothing, jnp.zeros_like(loss), inner_state
            )

        def wait() -> tuple[optax.Updates, AccumulateState]:
            return zeros, AccumulateState(step, grads, loss, state.inner)

        return jax.lax.cond(step >= every, make_step, wait)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)
