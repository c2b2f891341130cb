"""The runs of a case and an arm: all seeds and strengths at once."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import landmod_jax
from experiments.batches import remedies
from experiments.batches.networks import NETWORKS, Network
from experiments.batches.options import RARE_CLASSES, SCENARIOS, Case
from experiments.batches.remedies import REMEDIES, Remedy
from experiments.batches.scenarios import Batches, batches, permuted
from experiments.config.optimizers import OPTIMIZERS
from experiments.config.precision import MEANINGS
from experiments.stability.images import Images, Split, digits


class Outcome(NamedTuple):
    """Arrays (seeds, strengths), and losses (seeds, strengths, steps).

    Attributes:
      test_accuracy: on all test images, in percent.
      rare_accuracy: on those of the rare classes.
      held_out_accuracy: on held-out images.
      losses: of the batches as trained on, before a gain.
      left_marked: the mean share of the gradient norm that an arm ahead of the
        optimizer leaves, over marked batches; NaN without such batches or arm.
      left_others: of all others.
    """

    test_accuracy: Any
    rare_accuracy: Any
    held_out_accuracy: Any
    losses: Any
    left_marked: Any
    left_others: Any


def run(
    case: Case,
    remedy: str,
    seeds: Sequence[int],
    strengths: Sequence[float],
    rates: Sequence[float] | None = None,
) -> Outcome:
    """Train every pair of a seed and a strength.

    Args:
      rates: the learning rate of each strength; by default, the network's.
    """
    images = digits()
    scenario = SCENARIOS[case.scenario]
    of_seeds = [batches(seed, scenario, images.train.labels) for seed in seeds]
    stacked = Batches(*map(np.stack, zip(*of_seeds)))
    if scenario.shift:
        test = images.test._replace(labels=permuted(images.test.labels))
        images = images._replace(test=test)
    if rates is None:
        rates = [NETWORKS[case.network].rates[case.optimizer]] * len(strengths)
    keys = jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))
    outcome = _program(case.network, case.optimizer, remedy)(
        images,
        keys,
        stacked,
        np.asarray(strengths, np.float32),
        np.asarray(rates, np.float32),
    )
    return Outcome(*jax.device_get(outcome))


@functools.cache
def _program(network: str, optimizer: str, remedy: str) -> Any:
    train = functools.partial(_train, NETWORKS[network], optimizer, REMEDIES[remedy])

    @jax.jit
    @jax.default_matmul_precision(MEANINGS["float32"].products)  # not TF32 on a GPU
    def whole(images, keys, of_seeds, strengths, rates):
        def of_seed(of_one):
            one = functools.partial(train, images, *of_one)
            return jax.vmap(one)(strengths, rates)

        # Seed by seed, so that the weights of one seed stay in a CPU's caches.
        return jax.lax.map(of_seed, (keys, of_seeds))

    return whole


def _train(
    network: Network,
    optimizer: str,
    remedy: Remedy,
    splits: Images,
    key: jax.Array,
    of_seed: Batches,
    strength: jax.Array,
    rate: jax.Array,
) -> Outcome:
    """One run, from its key, batches, strength and learning rate."""
    train, held_out, test = splits
    settings = OPTIMIZERS[optimizer]
    bare = settings.create(
        rate, momentum=settings.momentum or 0.0, weight_decay=0.0, ahead=None
    )
    ahead = optax.with_extra_args_support(remedy.ahead(strength))
    whole = optax.with_extra_args_support(remedy.around(bare, strength))
    params = network.init(key)
    start = ahead.init(params)

    def step(carry, batch: Batches):
        params, before, after, was_shifted = carry

        def loss_fn(params):
            images = train.images[batch.images] * batch.factors[:, None, None]
            losses = optax.softmax_cross_entropy_with_integer_labels(
                network.apply(params, images), batch.labels
            )
            return losses.mean()

        if remedy.resets:
            fresh = landmod_jax.reset(ahead, before, params)
            now = batch.shifted & ~was_shifted
            before = jax.tree.map(lambda x, y: jnp.where(now, x, y), fresh, before)
        loss, grads = jax.value_and_grad(loss_fn)(params)
        grads = jax.tree.map(lambda g: g * batch.gradient_gain, grads)
        value = loss * batch.loss_gain
        changed, before = ahead.update(grads, before, params, value=value)
        left = jnp.float32(jnp.nan)
        if remedy.ahead is not remedies.nothing:
            left = optax.global_norm(changed) / optax.global_norm(grads)
        updates, after = whole.update(changed, after, params, value=value)
        params = optax.apply_updates(params, updates)
        return (params, before, after, batch.shifted), (loss, left)

    carry: Any = params, start, whole.init(params), jnp.zeros((), bool)
    (params, *_), (losses, left) = jax.lax.scan(step, carry, of_seed)
    right = _right(network, params, test)
    rare = jnp.isin(test.labels, np.array(RARE_CLASSES))
    return Outcome(
        100 * right.mean(),
        100 * jnp.where(rare, right, False).sum() / rare.sum(),
        100 * _right(network, params, held_out).mean(),
        losses,
        _mean(left, jnp.asarray(of_seed.marked)),
        _mean(left, ~jnp.asarray(of_seed.marked)),
    )


def _mean(x: jax.Array, which: jax.Array) -> jax.Array:
    which &= jnp.isfinite(x)  # 0 / 0 for a gradient of 0
    return jnp.where(which, x, 0).sum() / which.sum()


def _right(network: Network, params: Any, split: Split) -> jax.Array:
    return network.apply(params, jnp.asarray(split.images)).argmax(-1) == split.labels
