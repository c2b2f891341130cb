"""SGD, Adam, Adagrad and RMSProp with torch.optim's semantics, defaults and words.

For ports that must agree with PyTorch step by step, with and without landscape
modification. optax's own differ in details: `optax.adagrad` and `optax.rmsprop` put
their epsilon inside the square root and start elsewhere.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax

LearningRate: TypeAlias = float | jax.Array | optax.Schedule
Optimizer: TypeAlias = optax.GradientTransformationExtraArgs


def sgd(
    lr: LearningRate = 1e-3,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    *,
    nesterov: bool = False,
    landscape: optax.GradientTransformation | None = None,
) -> Optimizer:
    """Stochastic gradient descent, `torch.optim.SGD`.

    Args:
      lr: learning rate, or a schedule of it.
      momentum: β; the velocity starts at the first gradient. 0 has none.
      weight_decay: L2, added to the gradient after the landscape has scaled it.
      nesterov: Nesterov's momentum.
      landscape: `landscape_modify(...)`, or None for the plain optimizer.

    Returns:
      A transformation that takes `value=loss`, needed with a landscape and ignored
      without.

    Raises:
      ValueError: lr, momentum or weight_decay is negative.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.sgd(0.5, landscape=lm.landscape_modify(threshold=lm.constant(1.0)))
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w, value=3.0)
      >>> print(updates)  # -0.5 * 6 / ((3 - 1) + 1)
      [-1.]
    """
    _check(lr=lr, momentum=momentum)
    trace = [optax.trace(momentum, nesterov)] if momentum else []
    return _chained(landscape, weight_decay, *trace, lr=lr)


def adam(
    lr: LearningRate = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    landscape: optax.GradientTransformation | None = None,
) -> Optimizer:
    """Adam, `torch.optim.Adam`: L2 weight decay, epsilon outside the square root.

    Args:
      lr: learning rate, or a schedule of it.
      betas: decay rates of the first and the second moment.
      eps: added to the root of the second moment. Not the landscape's ε.
      weight_decay: L2, added to the gradient after the landscape has scaled it.
      landscape: `landscape_modify(...)`, or None for the plain optimizer.

    Returns:
      A transformation that takes `value=loss`.

    Raises:
      ValueError: an argument is negative, or a beta is 1 or more.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.adam(0.1, landscape=lm.landscape_modify())
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w, value=3.0)
      >>> print(f"{updates[0]:.3f}")  # the first step is lr, whatever the gradient
      -0.100
    """
    b1, b2 = betas
    _check(lr=lr, eps=eps)
    _check_fractions(b1=b1, b2=b2)
    return _chained(landscape, weight_decay, optax.scale_by_adam(b1, b2, eps), lr=lr)


def adagrad(
    lr: LearningRate = 1e-2,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    *,
    landscape: optax.GradientTransformation | None = None,
) -> Optimizer:
    """Adagrad, `torch.optim.Adagrad`: epsilon outside the square root.

    Args:
      lr: learning rate, or a schedule of it.
      weight_decay: L2, added to the gradient after the landscape has scaled it.
      initial_accumulator_value: where the sums of squares start.
      eps: added to the root of the sum. Not the landscape's ε.
      landscape: `landscape_modify(...)`, or None for the plain optimizer.

    Returns:
      A transformation that takes `value=loss`.

    Raises:
      ValueError: an argument is negative.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.adagrad(0.1, landscape=lm.landscape_modify())
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w, value=3.0)
      >>> print(updates)
      [-0.1]
    """
    _check(lr=lr, initial_accumulator_value=initial_accumulator_value, eps=eps)
    scale = _scale_by_adagrad(initial_accumulator_value, eps)
    return _chained(landscape, weight_decay, scale, lr=lr)


def rmsprop(
    lr: LearningRate = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    *,
    landscape: optax.GradientTransformation | None = None,
) -> Optimizer:
    """RMSProp, `torch.optim.RMSprop`: not centred, epsilon outside the square root.

    Args:
      lr: learning rate, or a schedule of it; applied after the momentum.
      alpha: decay rate of the mean of squares, which starts at 0.
      eps: added to its root. Not the landscape's ε.
      weight_decay: L2, added to the gradient after the landscape has scaled it.
      momentum: of the scaled gradient. 0 has none.
      landscape: `landscape_modify(...)`, or None for the plain optimizer.

    Returns:
      A transformation that takes `value=loss`.

    Raises:
      ValueError: an argument is negative, or alpha is 1 or more.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.rmsprop(0.1, alpha=0.75, landscape=lm.landscape_modify())
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w, value=3.0)
      >>> print(updates)  # -0.1 * 6 / √(0.25 * 6²)
      [-0.2]
    """
    _check(lr=lr, eps=eps, momentum=momentum)
    _check_fractions(alpha=alpha)
    trace = [optax.trace(momentum)] if momentum else []
    scale = optax.scale_by_rms(alpha, eps, eps_in_sqrt=False)
    return _chained(landscape, weight_decay, scale, *trace, lr=lr)


def _chained(
    landscape: optax.GradientTransformation | None,
    weight_decay: float,
    *parts: optax.GradientTransformation,
    lr: LearningRate,
) -> Optimizer:
    _check(weight_decay=weight_decay)
    front = [] if landscape is None else [landscape]
    if weight_decay:
        front.append(optax.add_decayed_weights(weight_decay))
    return optax.with_extra_args_support(
        optax.chain(*front, *parts, optax.scale_by_learning_rate(lr))
    )


def _scale_by_adagrad(initial: float, eps: float) -> optax.GradientTransformation:
    """optax.scale_by_rss has its epsilon inside the root, which small gradients see."""

    def init_fn(params: optax.Params) -> optax.ScaleByRssState:
        return optax.ScaleByRssState(optax.tree.full_like(params, initial))

    def update_fn(
        updates: optax.Updates,
        state: optax.ScaleByRssState,
        params: optax.Params | None = None,
    ) -> tuple[optax.Updates, optax.ScaleByRssState]:
        del params
        sums = jax.tree.map(
            lambda g, total: total + (g.conj() * g).real,
            updates,
            state.sum_of_squares,
        )
        updates = jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), updates, sums)
        return updates, optax.ScaleByRssState(sums)

    return optax.GradientTransformation(init_fn, update_fn)


def _check(**values: Any) -> None:
    for name, value in values.items():
        if isinstance(value, (int, float)) and not value >= 0:
            raise ValueError(f"{name} must be at least 0, got {value}")


def _check_fractions(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be in [0, 1), got {value}")
