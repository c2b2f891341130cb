"""SGD, Adam, Adagrad and RMSProp with torch.optim's semantics, defaults and names.

Use them for ports that must agree with PyTorch step by step. optax's own versions
differ in details: `optax.adagrad` and `optax.rmsprop` put their epsilon inside the
square root, and `optax.adagrad` starts its sums of squares at 0.1. With landscape
modification, write `optax.chain(landscape_modify(), torch_optim.sgd(0.1))`: the loss
then scales the gradient before weight decay is added to it.

Positional arguments come in torch.optim's order, after its `params`. `amsgrad`,
`centered`, `decoupled_weight_decay` and `maximize` do not exist here: use optax's own
optimizers (`optax.amsgrad`, `optax.adamw`, …), or negate the loss. Complex parameters
are pairs of real ones, as in PyTorch, whose gradients are the complex conjugates of
`jax.grad`'s.

All functions raise ValueError if an argument is not a real number in its range.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from optax.contrib import split_real_and_imaginary

from landmod_jax import _checks

LearningRate: TypeAlias = float | jax.Array | optax.Schedule


def sgd(
    lr: LearningRate = 1e-3,
    momentum: float | None = None,
    dampening: float | None = None,
    weight_decay: float = 0.0,
    *,
    nesterov: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Stochastic gradient descent, `torch.optim.SGD`.

    Args:
      lr: learning rate, or a schedule of it.
      momentum: β; the velocity starts at the first gradient. None or 0 for none.
      dampening: the velocity takes 1 − dampening of every later gradient. None or 0
        for none.
      weight_decay: L2, added to the gradient.
      nesterov: use Nesterov's momentum; requires a momentum without dampening.

    Example:
      >>> import jax.numpy as jnp, optax, landmod_jax as lm
      >>> landscape = lm.landscape_modify(threshold=lm.constant(1.0))
      >>> tx = optax.chain(landscape, lm.torch_optim.sgd(0.5))
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w, value=3.0)
      >>> print(updates)  # -0.5 * 6 / ((3 - 1) + 1)
      [-1.]
    """
    return _chained(weight_decay, *_trace(momentum, nesterov, dampening), lr=lr)


def adam(
    lr: LearningRate = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Adam, `torch.optim.Adam`: L2 weight decay, epsilon outside the square root.

    Args:
      lr: learning rate, or a schedule of it.
      betas: decay rates of the first and second moments, in [0, 1).
      eps: added to the root of the second moment. Not the landscape's ε.
      weight_decay: L2, added to the gradient.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.torch_optim.adam(0.1)
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w)
      >>> print(f"{updates[0]:.3f}")  # the first step is lr, whatever the gradient
      -0.100
    """
    b1, b2 = (
        _checks.number(f"betas[{i}]", beta, least=0, below=1)
        for i, beta in enumerate(betas)
    )
    eps = _checks.number("eps", eps, least=0)
    scale = split_real_and_imaginary(optax.scale_by_adam(b1, b2, eps))
    return _chained(weight_decay, scale, lr=lr)


def adagrad(
    lr: LearningRate = 1e-2,
    lr_decay: float | None = None,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
) -> optax.GradientTransformationExtraArgs:
    """Adagrad, `torch.optim.Adagrad`: epsilon outside the square root.

    Args:
      lr: learning rate, or a schedule of it.
      lr_decay: the learning rate of step t = 0, 1, … is lr / (1 + t · lr_decay). None
        or 0 for a constant one.
      weight_decay: L2, added to the gradient.
      initial_accumulator_value: where the sums of squares start.
      eps: added to the root of the sum. Not the landscape's ε.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.torch_optim.adagrad(0.1)
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w)
      >>> print(updates)
      [-0.1]
    """
    initial = initial_accumulator_value
    scale = _scale_by_adagrad(
        _checks.number("initial_accumulator_value", initial, least=0),
        _checks.number("eps", eps, least=0),
    )
    parts = [split_real_and_imaginary(scale)]
    if not _is_none(lr_decay := _optional("lr_decay", lr_decay, least=0)):
        parts.append(optax.scale_by_schedule(lambda t: 1 / (1 + t * lr_decay)))
    return _chained(weight_decay, *parts, lr=lr)


def rmsprop(
    lr: LearningRate = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float | None = None,
) -> optax.GradientTransformationExtraArgs:
    """RMSProp, `torch.optim.RMSprop`: not centered, epsilon outside the square root.

    Args:
      lr: learning rate, or a schedule of it; applied after the momentum.
      alpha: decay rate of the mean of squares, which starts at 0; in [0, 1).
      eps: added to its root. Not the landscape's ε.
      weight_decay: L2, added to the gradient.
      momentum: applied to the scaled gradient. None or 0 for none.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.torch_optim.rmsprop(0.1, alpha=0.75)
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w)
      >>> print(updates)  # -0.1 * 6 / √(0.25 * 6²)
      [-0.2]
    """
    alpha = _checks.number("alpha", alpha, least=0, below=1)
    eps = _checks.number("eps", eps, least=0)
    scale = optax.scale_by_rms(alpha, eps, eps_in_sqrt=False)
    trace = _trace(momentum, nesterov=False, dampening=None)
    return _chained(weight_decay, split_real_and_imaginary(scale), *trace, lr=lr)


def _chained(
    weight_decay: float, *parts: optax.GradientTransformation, lr: LearningRate
) -> optax.GradientTransformationExtraArgs:
    weight_decay = _checks.number("weight_decay", weight_decay, least=0)
    decays = not _is_none(weight_decay)
    decay = optax.add_decayed_weights(weight_decay) if decays else optax.identity()
    scale = optax.scale_by_learning_rate(_checks.rate("lr", lr, least=0))
    return optax.with_extra_args_support(optax.chain(decay, *parts, scale))


def _trace(
    momentum: Any, nesterov: Any, dampening: Any
) -> list[optax.GradientTransformation]:
    nesterov = _checks.flag("nesterov", nesterov)
    momentum = _optional("momentum", momentum, least=0)
    dampening = _optional("dampening", dampening)
    if nesterov and (_is_none(momentum) or not _is_none(dampening)):
        raise ValueError(
            "nesterov=True needs a momentum greater than 0 and no dampening, got "
            f"momentum {momentum} and dampening {dampening}"
        )
    if _is_none(momentum):
        return []
    trace = optax.trace(momentum, nesterov)
    if _is_none(dampening):
        return [trace]
    # The velocity starts at the whole first gradient.
    damped = optax.scale_by_schedule(lambda t: jnp.where(t == 0, 1, 1 - dampening))
    return [damped, trace]


def _optional(name: str, value: Any, **limits: Any) -> Any:
    return None if value is None else _checks.number(name, value, **limits)


def _is_none(setting: Any) -> bool:
    """Whether it is None or 0. `optax.inject_hyperparams` passes None as it is."""
    return setting is None or (_checks.fixed(setting) and setting == 0)


def _scale_by_adagrad(initial: float, eps: float) -> optax.GradientTransformation:
    """Like optax.scale_by_rss, but with epsilon outside the root, as in PyTorch."""

    def init_fn(params: optax.Params) -> optax.ScaleByRssState:
        return optax.ScaleByRssState(optax.tree.full_like(params, initial))

    def update_fn(
        updates: optax.Updates,
        state: optax.ScaleByRssState,
        params: optax.Params | None = None,
    ) -> tuple[optax.Updates, optax.ScaleByRssState]:
        del params
        sums = jax.tree.map(
            lambda g, total: total + jnp.square(g).astype(total.dtype),
            updates,
            state.sum_of_squares,
        )
        updates = jax.tree.map(
            lambda g, s: g / (jnp.sqrt(s) + eps).astype(g.dtype), updates, sums
        )
        return updates, optax.ScaleByRssState(sums)

    return optax.GradientTransformation(init_fn, update_fn)
