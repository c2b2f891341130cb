"""Published remedies for bad batches, as gradient transformations.

A step whose gradient norm (or loss, where it is used) is not finite changes no
statistics. Its gradients are multiplied by 0, so that what is NaN or infinite becomes
NaN and stays visible; `skip_spikes` leaves out the whole step.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

LARGEST = float(jnp.finfo(jnp.float32).max)


class ZScoreState(NamedTuple):
    count: Any  # steps so far, int32
    mean: jax.Array  # of the clipped norms
    variance: jax.Array


def clip_by_z_score(
    threshold: Any = 2.5, decay: float = 0.97, warmup: int = 25, eps: float = 1e-6
) -> optax.GradientTransformation:
    """ZClip: clip norms that are `threshold` deviations above their running mean.

    A norm with z-score z > threshold becomes mean + threshold² / z deviations. Mean and
    variance are those of the first `warmup` norms, which are not clipped, then
    exponential averages of the clipped norms.

    References:
      Kumar et al., ZClip, 2025, https://arxiv.org/abs/2504.02507
    """

    def init_fn(params: optax.Params) -> ZScoreState:
        del params
        return ZScoreState(jnp.zeros((), jnp.int32), jnp.zeros(()), jnp.zeros(()))

    def update_fn(
        updates: optax.Updates, state: ZScoreState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, ZScoreState]:
        del params
        count, mean, variance = state
        norm = optax.global_norm(updates)
        first = count < warmup
        deviation = jnp.sqrt(variance)
        z = (norm - mean) / (deviation + eps)
        shrunk = mean + threshold**2 / jnp.maximum(z, threshold) * deviation
        clipped = jnp.where(first | (z <= threshold), norm, shrunk)
        weight = jnp.where(first, 1 / (count + 1), 1 - decay)
        new_mean = mean + weight * (clipped - mean)
        # In the warm-up, Welford's update of the variance of all norms so far.
        off = jnp.where(first, clipped - mean, clipped - new_mean) * (
            clipped - new_mean
        )
        new = ZScoreState(
            optax.safe_increment(count), new_mean, variance + weight * (off - variance)
        )
        return _scaled(updates, _ratio(clipped, norm)), _if(
            jnp.isfinite(norm), new, state
        )

    return optax.GradientTransformation(init_fn, update_fn)


class HistoryState(NamedTuple):
    count: Any
    norms: optax.Updates  # a running average of each leaf's clipped norms


def clip_by_history(
    relative: Any = 1.05, absolute: float = 1.0, decay: float = 0.98, warmup: int = 100
) -> optax.GradientTransformation:
    """AdaGC: clip each leaf to `relative` times the average of its clipped norms.

    In the first warmup − 1 steps, the global norm is clipped to `absolute`, and the
    average is the smallest clipped norm of the leaf.

    References:
      Wang et al., AdaGC, 2025, https://arxiv.org/abs/2502.11034
    """

    def init_fn(params: optax.Params) -> HistoryState:
        return HistoryState(
            jnp.zeros((), jnp.int32),
            jax.tree.map(lambda _: jnp.float32(LARGEST), params),
        )

    def update_fn(
        updates: optax.Updates, state: HistoryState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, HistoryState]:
        del params
        count = optax.safe_increment(state.count)
        first = count < warmup
        norms = jax.tree.map(lambda g: jnp.sqrt(jnp.sum(jnp.square(g))), updates)
        whole = optax.global_norm(norms)
        shared = _ratio(jnp.minimum(whole, absolute), whole)

        def factor(norm: jax.Array, average: jax.Array) -> jax.Array:
            limit = jnp.minimum(
                norm, relative * jnp.minimum(average, LARGEST / relative)
            )
            return jnp.where(first, shared, _ratio(limit, norm))

        def averaged(norm: jax.Array, average: jax.Array) -> jax.Array:
            clipped = factor(norm, average) * norm
            later = decay * average + (1 - decay) * clipped
            return jnp.where(first, jnp.minimum(average, clipped), later)

        finite = jnp.isfinite(whole)
        factors = jax.tree.map(factor, norms, state.norms)
        new = HistoryState(count, jax.tree.map(averaged, norms, state.norms))
        clipped = jax.tree.map(
            lambda g, f: g * jnp.where(finite, f, 0), updates, factors
        )
        return clipped, _if(finite, new, state)

    return optax.GradientTransformation(init_fn, update_fn)


class SkipState(NamedTuple):
    count: Any
    losses: jax.Array  # (window,), the oldest is overwritten
    norms: jax.Array
    inner: optax.OptState


def skip_spikes(
    inner: optax.GradientTransformation, deviations: Any = 6.0, window: int = 128
) -> optax.GradientTransformationExtraArgs:
    """Leave out steps whose loss or gradient norm is far above the last ones.

    Far are `deviations` standard deviations above the mean of the last `window` steps.
    As in OLMo and MaxText, steps that are left out count in later means, and nothing is
    left out before half a window. Pass the loss as ``value=``.

    References:
      OLMo-core, https://github.com/allenai/OLMo-core, optim/skip_step_optimizer.py;
      MaxText and Levanter have it as well.
    """
    inner = optax.with_extra_args_support(inner)

    def init_fn(params: optax.Params) -> SkipState:
        empty = jnp.zeros(window)
        return SkipState(jnp.zeros((), jnp.int32), empty, empty, inner.init(params))

    def update_fn(
        updates: optax.Updates,
        state: SkipState,
        params: optax.Params | None = None,
        *,
        value: jax.typing.ArrayLike,
        **extra_args: Any,
    ) -> tuple[optax.Updates, SkipState]:
        norm = optax.global_norm(updates)
        finite = jnp.isfinite(value) & jnp.isfinite(norm)
        early = state.count + 1 < max(2, window // 2)
        usual = _usual(value, state.losses, state.count, deviations)
        usual &= _usual(norm, state.norms, state.count, deviations)
        taken = finite & (early | usual)
        steps, after = inner.update(
            updates, state.inner, params, value=value, **extra_args
        )
        place = state.count % window
        counted = SkipState(
            optax.safe_increment(state.count),
            state.losses.at[place].set(value),
            state.norms.at[place].set(norm),
            state.inner,
        )
        new = _if(finite, counted, state)._replace(inner=_if(taken, after, state.inner))
        return _if(taken, steps, jax.tree.map(jnp.zeros_like, steps)), new

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def _usual(x: Any, last: jax.Array, count: jax.Array, deviations: Any) -> jax.Array:
    n = jnp.minimum(count, len(last))
    known = jnp.arange(len(last)) < n
    mean = jnp.where(known, last, 0).sum() / jnp.maximum(n, 1)
    squares = jnp.where(known, jnp.square(last - mean), 0).sum()
    return x - mean <= deviations * jnp.sqrt(squares / jnp.maximum(n - 1, 1))


def clip_updates(
    adam: optax.GradientTransformation,
    threshold: Any = 1.0,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> optax.GradientTransformationExtraArgs:
    """StableAdamW's update clipping: Adam with a shorter step where it is surprised.

    Each leaf's update is divided by max(1, RMS / threshold), where RMS is the root mean
    square of gradient / √(second moment), the latter corrected for its start at 0.

    References:
      Wortsman et al., Stable and low-precision training for large-scale vision-language
      models, 2023, https://arxiv.org/abs/2304.13013
    """
    adam = optax.with_extra_args_support(adam)

    def update_fn(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        steps, state = adam.update(updates, state, params, **extra_args)
        moments, count = optax.tree.get(state, "nu"), optax.tree.get(state, "count")
        correction = 1 - b2**count

        def shortened(step: jax.Array, g: jax.Array, moment: jax.Array) -> jax.Array:
            ratio = jnp.square(g) / jnp.maximum(moment / correction, eps**2)
            return step / jnp.maximum(1, jnp.sqrt(ratio.mean()) / threshold)

        return jax.tree.map(shortened, steps, updates, moments), state

    return optax.GradientTransformationExtraArgs(adam.init, update_fn)


def _ratio(part: jax.Array, whole: jax.Array) -> jax.Array:
    """part / whole; 1 for a whole of 0, and 0 where it is not finite."""
    ratio = jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 1)
    return jnp.where(jnp.isfinite(whole), ratio, 0)


def _scaled(updates: optax.Updates, factor: jax.Array) -> optax.Updates:
    return jax.tree.map(lambda g: g * factor, updates)


def _if(condition: jax.Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda n, o: jnp.where(condition, n, o), new, old)
