"""Langevin dynamics as gradient transformations, for noisy training of networks."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from landmod_jax import _checks
from landmod_jax._numerics import held, held_eps, root, widened
from landmod_jax.annealing import _arguments as arguments


class LangevinNoiseState(NamedTuple):
    """State of `langevin_noise`: the number of steps so far, and its key."""

    count: Any  # shape=(), dtype=int32
    key: jax.Array


class KineticLangevinState(NamedTuple):
    """State of `kinetic_langevin`: steps, key, and the momentum y, shaped as params."""

    count: Any  # shape=(), dtype=int32
    key: jax.Array
    y: optax.Params


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
        noise = _noise_like(jax.random.fold_in(state.key, state.count), updates)
        updates = jax.tree.map(
            lambda u, n: u if n is None else _as(_as(u, n) + _as(spread, n) * n, u),
            updates,
            noise,
        )
        return updates, LangevinNoiseState(optax.safe_increment(state.count), state.key)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def kinetic_langevin(
    step_size: ArrayLike,
    temperature: ArrayLike | optax.Schedule,
    key: jax.Array | int,
) -> optax.GradientTransformationExtraArgs:
    """Kinetic Langevin annealing (2.5) by BAOAB, in place of an optimizer.

    The gradient at the current point completes the kick of the last step and begins
    that of this step. The parameters then move by half a drift, exact friction 1/T and
    noise, and half a drift. Given the same noise, these are the points that `anneal`
    visits with method "kinetic".

    (2.8) has the force T∇H in place of ∇U. Without H's logarithm, which only the proofs
    need (section 2.1.2), that is::

        T = geometric(1.0, 0.01, steps)
        optax.chain(
            landscape_modify("bounded", eps=T),
            optax.scale_by_schedule(T),
            kinetic_langevin(step_size, T, key),
        )

    where T is a schedule that stays above 0. Under jit, a schedule that ends at 0 can
    end slightly below it, and `scale_by_schedule` would then reverse the force. The
    step size is a time: a step moves the parameters by about step_size · √T. They drift
    by T · step_size · gradient if step_size is well below T, and by step_size² / 2 ·
    gradient if it is well above.

    Args:
      step_size: dt > 0; a number or an `optax.Schedule`.
      temperature: T > 0, in units of the loss; a number or a schedule. If a schedule of
        either returns a negative number, 0 is used. At T = 0, momentum vanishes
        immediately and there is no noise.
      key: a `jax.random` key, or a seed. Step t draws with fold_in(key, t). `init`
        copies the key into the state, so you may donate the state.

    Returns:
      A transformation from gradients to updates that needs no params and ignores extra
      arguments. y is kept in float32 for half-precision leaves; leaves that are not
      real floating point pass through.

    Raises:
      ValueError: a number is outside its range, or `key` is not a key or seed. At
        an update: a schedule does not return a real scalar.

    Example:
      >>> import jax, jax.numpy as jnp, optax
      >>> from landmod_jax import landscape_modify
      >>> from landmod_jax.annealing import kinetic_langevin
      >>> tx = optax.chain(landscape_modify(), kinetic_langevin(0.01, 0.1, key=0))
      >>> state = tx.init(jnp.zeros(3))
      >>> updates, state = tx.update(jnp.ones(3), state, value=1.0)
      >>> print(updates.shape)
      (3,)
    """
    dt_at = _schedule("step_size", step_size, above=0)
    T_at = _schedule("temperature", temperature, above=0)
    key = arguments.key(key, seeds=True)

    def init_fn(params: optax.Params) -> KineticLangevinState:
        y = jax.tree.map(
            lambda p: jnp.zeros_like(p, _wide(p)) if _real(p) else None, params
        )
        return KineticLangevinState(jnp.zeros((), jnp.int32), _copy(key), y)

    def update_fn(
        updates: optax.Updates,
        state: KineticLangevinState,
        params: optax.Params | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, KineticLangevinState]:
        del params, extra_args
        dt, T = dt_at(state.count), T_at(state.count)
        before = dt_at(jnp.maximum(state.count - 1, 0))
        # The half kick that ends the last step, if any, and the one that begins this
        # step.
        kick = (jnp.where(state.count == 0, 0, before) + dt) / 2
        wide = widened(jnp.result_type(T, float))
        decay = jnp.exp(-dt / held_eps(T, wide))
        spread = root(T * (1 - decay * decay))
        noise = _noise_like(jax.random.fold_in(state.key, state.count), updates)

        def kicked(g: Any, y: Any) -> Any:
            return None if y is None else y - _as(kick, y) * _as(g, y)

        def refreshed(y: Any, n: Any) -> Any:
            return _as(decay, y) * y + _as(spread, y) * n

        y = jax.tree.map(kicked, updates, state.y)
        new_y = jax.tree.map(refreshed, y, noise)
        moves = jax.tree.map(
            lambda g, a, b: g if a is None else _as(_as(dt / 2, a) * (a + b), g),
            updates,
            y,
            new_y,
        )
        return moves, KineticLangevinState(
            optax.safe_increment(state.count), state.key, new_y
        )

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


def _real(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def _wide(leaf: Any) -> Any:
    return widened(jnp.result_type(leaf))


def _as(value: ArrayLike, like: ArrayLike) -> jax.Array:
    return jnp.asarray(value, jnp.result_type(like))


def _noise_like(key: jax.Array, tree: Any) -> Any:
    """N(0, 1) for each real leaf, from its own key; None for the others."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, max(len(leaves), 1))
    return jax.tree.unflatten(
        structure,
        [
            jax.random.normal(k, jnp.shape(leaf), _wide(leaf)) if _real(leaf) else None
            for k, leaf in zip(keys, leaves)
        ],
    )
