"""SGD, Adam, Adagrad and RMSProp with torch.optim's semantics and words."""

import jax
import jax.numpy as jnp
import optax

Landscape = optax.GradientTransformation | None


def sgd(lr, momentum=0.0, weight_decay=0.0, *, landscape: Landscape = None):
    return _chain(landscape, weight_decay, optax.sgd(lr, momentum=momentum or None))


def adam(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, landscape=None):
    return _chain(landscape, weight_decay, optax.adam(lr, *betas, eps=eps))


def adagrad(lr=1e-2, weight_decay=0.0, *, landscape: Landscape = None):
    return _chain(
        landscape,
        weight_decay,
        _scale_by_adagrad(1e-10),
        optax.scale_by_learning_rate(lr),
    )


def _scale_by_adagrad(eps):
    def init_fn(params):
        return optax.ScaleByRssState(jax.tree.map(jnp.zeros_like, params))

    def update_fn(updates, state, params=None):
        del params
        sums = jax.tree.map(
            lambda s, g: s + jnp.square(g), state.sum_of_squares, updates
        )
        updates = jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), updates, sums)
        return updates, optax.ScaleByRssState(sums)

    return optax.GradientTransformation(init_fn, update_fn)


def rmsprop(
    lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, *, landscape=None
):
    parts = [optax.scale_by_rms(alpha, eps, eps_in_sqrt=False)]
    if momentum:
        parts.append(optax.trace(momentum))
    return _chain(landscape, weight_decay, *parts, optax.scale_by_learning_rate(lr))


def _chain(landscape, weight_decay, *parts):
    front = [] if landscape is None else [landscape]
    if weight_decay:
        front.append(optax.add_decayed_weights(weight_decay))
    return optax.with_extra_args_support(optax.chain(*front, *parts))
