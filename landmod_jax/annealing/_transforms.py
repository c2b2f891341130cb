"""Langevin dynamics as a gradient transformation, for noisy training of networks."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from landmod_jax import _checks
from landmod_jax._numerics import held, root, widened
from landmod_jax.annealing import _arguments as arguments


class LangevinNoiseState(NamedTuple):
    """State of `langevin_noise`: the number of steps so far, and its key."""

    count: Any  # shape=(), dtype=int32
    key: jax.Array


def langevin_noise(
    learning_rate: ArrayLike | optax.Schedule,
    temperature: ArrayLike | optax.Schedule,
    key: jax.Array | int,
) -> optax.GradientTransformationExtraArgs:
    r"""Add √(2Tη) N(0, 1) to the updates: after sgd(η), Langevin annealing (2.4).

    .. math::
      w_{t+1} - w_t = -\eta \nabla U(w_t) + \sqrt{2T} \sqrt{\eta}\, N(0, 1)

    Put it last in the chain, *behind* the learning rate. With `landscape_modify` in
    front, the drift is −∇H of (2.1), and the law at constant T and c is exp(−H/T).

    Args:
      learning_rate: η > 0, the same as the optimizer's; a number or an
        `optax.Schedule`.
      temperature: T ≥ 0, in units of the loss; a number or a schedule, such as
        `logarithmic`. If a schedule of either returns a negative number, 0 is used.
      key: a `jax.random` key, or a seed. Step t draws with fold_in(key, t). `init`
        copies the key into the state, so you may donate the state.

    Returns:
      A transformation that needs no params and ignores extra arguments. Updates keep
      their dtypes; the noise of half-precision leaves is drawn in float32; leaves that
      are not real floating point pass through.

    Raises:
      ValueError: a number is outside its range, or `key` is not a key or seed. At
        an update: a schedule does not return a real scalar.

    Example:
      >>> import jax, jax.numpy as jnp, optax
      >>> from landmod_jax import landscape_modify
      >>> from landmod_jax.annealing import langevin_noise
      >>> tx = optax.chain(
      ...     landscape_modify(), optax.sgd(0.1), langevin_noise(0.1, 1e-3, key=0)
      ... )
      >>> state = tx.init(jnp.zeros(3))
      >>> updates, state = tx.update(jnp.ones(3), state, value=1.0)
      >>> print(jnp.abs(updates + 0.1).max() < 0.1)
      True
    """
    eta_at = _schedule("learning_rate", learning_rate, above=0)
    T_at = _schedule("temperature", temperature, least=0)
    key = arguments.key(key, seeds=True)

    def init_fn(params: optax.Params) -> LangevinNoiseState:
        del params
        return LangevinNoiseState(jnp.zeros((), jnp.int32), _copy(key))

    def update_fn(
        updates: optax.Updates,
        state: LangevinNoiseState,
        params: optax.Params | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, LangevinNoiseState]:
        del params, extra_args
        spread = root(2 * T_at(state.count) * eta_at(state.count))
        keys = optax.tree.split_key_like(
            jax.random.fold_in(state.key, state.count), updates
        )
        updates = jax.tree.map(lambda u, key: _noisy(u, spread, key), updates, keys)
        return updates, LangevinNoiseState(optax.safe_increment(state.count), state.key)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def _schedule(name: str, value: Any, **limits: float) -> Any:
    rate = _checks.rate(name, value, **limits)
    if not callable(rate):
        return lambda count: rate
    return lambda count: held(_checks.scheduled(name, rate, count))


def _copy(key: Any) -> jax.Array:
    """A key with its own buffer, because the caller's must not be donated."""
    seed = jnp.ndim(key) == 0 and not arguments.is_typed_key(key)
    return jnp.copy(jax.random.key(key) if seed else key)


def _noisy(u: Any, spread: jax.Array, key: jax.Array) -> Any:
    dtype = jnp.result_type(u)
    if not jnp.issubdtype(dtype, jnp.floating):
        return u
    wide = widened(dtype)
    noise = jax.random.normal(key, jnp.shape(u), wide)
    return (jnp.asarray(u, wide) + spread.astype(wide) * noise).astype(dtype)
