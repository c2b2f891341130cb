"""SGD, Adam, Adagrad and RMSProp with torch.optim's semantics, defaults and names.

Use them for ports that must agree with PyTorch step by step, with or without landscape
modification. optax's own versions differ in details: `optax.adagrad` and
`optax.rmsprop` put their epsilon inside the square root, and `optax.adagrad` starts its
sums of squares at 0.1.

Positional arguments come in torch.optim's order, after its `params`. `amsgrad`,
`centered`, `decoupled_weight_decay` and `maximize` do not exist here: pass optax's own
optimizers (`optax.amsgrad`, `optax.adamw`, …) behind `landscape_modify`, or negate the
loss. Complex parameters are pairs of real ones, as in PyTorch, whose gradients are the
complex conjugates of `jax.grad`'s.

If a schedule returns a negative learning rate, 0 is used: rounding under jit can end a
schedule to 0 at -1e-8.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax

from landmod_jax import _checks

LearningRate: TypeAlias = float | jax.Array | optax.Schedule
Optimizer: TypeAlias = optax.GradientTransformationExtraArgs


def sgd(
    lr: LearningRate = 1e-3,
    momentum: float | None = None,
    dampening: float | None = None,
    weight_decay: float = 0.0,
    *,
    nesterov: bool = False,
    landscape: optax.GradientTransformation | None = None,
) -> Optimizer:
    """Stochastic gradient descent, `torch.optim.SGD`.

    Args:
      lr: learning rate, or a schedule of it.
      momentum: β; the velocity starts at the first gradient. None or 0 for none.
      dampening: the velocity takes 1 − dampening of every later gradient. None or 0
        for none.
      weight_decay: L2, added to the gradient after the landscape has scaled it.
      nesterov: use Nesterov's momentum; requires a momentum without dampening.
      landscape: `landscape_modify(...)`, or None for the plain optimizer.

    Returns:
      A transformation that takes `value=loss`; it is required with a landscape and
      ignored without one.

    Raises:
      ValueError: lr, momentum or weight_decay is negative or not a number, dampening is
        not a number, nesterov is True without a momentum or with dampening, or
        landscape is not a transformation.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> landscape = lm.landscape_modify(threshold=lm.constant(1.0))
      >>> tx = lm.torch_optim.sgd(0.5, landscape=landscape)
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w, value=3.0)
      >>> print(updates)  # -0.5 * 6 / ((3 - 1) + 1)
      [-1.]
    """
    trace = _trace(momentum, nesterov, dampening)
    return _chained("sgd", landscape, weight_decay, *trace, lr=lr)


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
      betas: decay rates of the first and second moments.
      eps: added to the root of the second moment. Not the landscape's ε.
      weight_decay: L2, added to the gradient after the landscape has scaled it.
      landscape: `landscape_modify(...)`, or None for the plain optimizer.

    Returns:
      A transformation that takes `value=loss`.

    Raises:
      ValueError: an argument is negative or not a number, a beta is 1 or more, or
        landscape is not a transformation.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.torch_optim.adam(0.1, landscape=lm.landscape_modify())
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w, value=3.0)
      >>> print(f"{updates[0]:.3f}")  # the first step is lr, whatever the gradient
      -0.100
    """
    b1, b2 = _checks.pair("betas", betas, least=0, below=1)
    eps = _checks.number("eps", eps, least=0)
    scale = _on_components(optax.scale_by_adam(b1, b2, eps))
    return _chained("adam", landscape, weight_decay, scale, lr=lr)


def adagrad(
    lr: LearningRate = 1e-2,
    lr_decay: float | None = None,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    *,
    landscape: optax.GradientTransformation | None = None,
) -> Optimizer:
    """Adagrad, `torch.optim.Adagrad`: epsilon outside the square root.

    Args:
      lr: learning rate, or a schedule of it.
      lr_decay: the learning rate of step t = 0, 1, … is lr / (1 + t · lr_decay). None
        or 0 for a constant one.
      weight_decay: L2, added to the gradient after the landscape has scaled it.
      initial_accumulator_value: where the sums of squares start.
      eps: added to the root of the sum. Not the landscape's ε.
      landscape: `landscape_modify(...)`, or None for the plain optimizer.

    Returns:
      A transformation that takes `value=loss`.

    Raises:
      ValueError: an argument is negative or not a number, or landscape is not a
        transformation.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.torch_optim.adagrad(0.1, landscape=lm.landscape_modify())
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w, value=3.0)
      >>> print(updates)
      [-0.1]
    """
    initial = initial_accumulator_value
    scale = _on_components(
        _scale_by_adagrad(
            _checks.number("initial_accumulator_value", initial, least=0),
            _checks.number("eps", eps, least=0),
        )
    )
    slower = []
    if not _is_none(lr_decay := _optional("lr_decay", lr_decay, least=0)):
        slower = [optax.scale_by_schedule(lambda t: 1 / (1 + t * lr_decay))]
    return _chained("adagrad", landscape, weight_decay, scale, *slower, lr=lr)


def rmsprop(
    lr: LearningRate = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float | None = None,
    *,
    landscape: optax.GradientTransformation | None = None,
) -> Optimizer:
    """RMSProp, `torch.optim.RMSprop`: not centered, epsilon outside the square root.

    Args:
      lr: learning rate, or a schedule of it; applied after the momentum.
      alpha: decay rate of the mean of squares, which starts at 0.
      eps: added to its root. Not the landscape's ε.
      weight_decay: L2, added to the gradient after the landscape has scaled it.
      momentum: applied to the scaled gradient. None or 0 for none.
      landscape: `landscape_modify(...)`, or None for the plain optimizer.

    Returns:
      A transformation that takes `value=loss`.

    Raises:
      ValueError: an argument is negative or not a number, alpha is 1 or more, or
        landscape is not a transformation.

    Example:
      >>> import jax.numpy as jnp, landmod_jax as lm
      >>> tx = lm.torch_optim.rmsprop(0.1, alpha=0.75, landscape=lm.landscape_modify())
      >>> w = jnp.array([2.0])
      >>> updates, _ = tx.update(jnp.array([6.0]), tx.init(w), w, value=3.0)
      >>> print(updates)  # -0.1 * 6 / √(0.25 * 6²)
      [-0.2]
    """
    alpha = _checks.number("alpha", alpha, least=0, below=1)
    eps = _checks.number("eps", eps, least=0)
    scale = _on_components(optax.scale_by_rms(alpha, eps, eps_in_sqrt=False))
    trace = _trace(momentum, nesterov=False, dampening=0)
    return _chained("rmsprop", landscape, weight_decay, scale, *trace, lr=lr)


def _chained(
    name: str,
    landscape: optax.GradientTransformation | None,
    weight_decay: float,
    *parts: optax.GradientTransformation,
    lr: LearningRate,
) -> Optimizer:
    front = []
    if landscape is not None:
        front.append(_checks.transformation("landscape", landscape))
    weight_decay = _checks.number("weight_decay", weight_decay, least=0)
    decays = not _is_none(weight_decay)
    decay = optax.add_decayed_weights(weight_decay) if decays else optax.identity()
    chain = optax.chain(*front, decay, *parts, _scale_by_lr(lr))

    def init_fn(params: optax.Params) -> optax.OptState:
        _checks.inexact_leaves(name, params)
        return chain.init(params)

    return optax.GradientTransformationExtraArgs(
        init_fn, optax.with_extra_args_support(chain).update
    )


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


def _on_components(
    transformation: optax.GradientTransformation,
) -> optax.GradientTransformation:
    """The transformation on the real and imaginary parts of complex leaves."""

    def split(tree: Any) -> Any:
        return jax.tree.map(
            lambda x: (x.real, x.imag) if jnp.iscomplexobj(x) else x, tree
        )

    def init_fn(params: optax.Params) -> optax.OptState:
        return transformation.init(split(params))

    def update_fn(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
    ) -> tuple[optax.Updates, optax.OptState]:
        del params
        parts, state = transformation.update(split(updates), state)
        joined = jax.tree.map(
            lambda x, part: jax.lax.complex(*part) if jnp.iscomplexobj(x) else part,
            updates,
            parts,
        )
        return joined, state

    return optax.GradientTransformation(init_fn, update_fn)


def _scale_by_lr(lr: Any) -> optax.GradientTransformation:
    lr = _checks.rate("lr", lr, least=0)
    if _checks.fixed(lr):
        return optax.scale_by_learning_rate(lr)
    if not callable(lr):
        return optax.scale_by_learning_rate(jnp.maximum(lr, 0))
    return optax.scale_by_learning_rate(
        lambda step: jnp.maximum(_checks.scheduled("lr", lr, step), 0)
    )


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
