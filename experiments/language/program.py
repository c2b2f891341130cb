"""The runs of one seed of a case: a network is trained at every learning rate."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.config.precision import MEANINGS
from experiments.data.texts import Text
from experiments.language.arms import ARMS, create
from experiments.language.models import MODELS
from experiments.language.options import Case, Sizes
from experiments.study.record import Arrays
from landmod_jax import current

SPIKE = 7.0  # standard deviations above the mean of the steps before


def run(
    case: Case,
    seed: int,
    rates: Sequence[float],
    sizes: Sizes,
    text: Text,
    means: np.ndarray | None = None,
) -> Arrays:
    """Train a seed at each learning rate.

    Args:
      means: (rates,) scales to replay, for an arm that does.

    Returns:
      first, held_out, test: (rates,) mean losses, before training and after it.
      losses: (rates, steps) of the mini-batches.
      scales: the same, of LM; missing without one.
    """
    outcome = _program(case, sizes, len(text.characters))(
        *text[1:],
        jax.random.key(seed),
        batches(seed, sizes, len(text.train)),
        np.asarray(rates, np.float32),
        np.ones(len(rates), np.float32) if means is None else np.float32(means),
    )
    return jax.device_get(outcome)


def batches(seed: int, sizes: Sizes, characters: int) -> np.ndarray:
    """(steps, batch) int32: where the sequences of each step start."""
    last = characters - sizes.shape.context - 1
    rng = np.random.default_rng(seed)
    return rng.integers(0, last + 1, (sizes.steps, sizes.batch), dtype=np.int32)


@functools.cache
def _program(case: Case, sizes: Sizes, characters: int) -> Any:
    @jax.jit
    @jax.default_matmul_precision(MEANINGS["float32"].products)  # not TF32 on a GPU
    def whole(train, held_out, test, key, starts, rates, means):
        one = functools.partial(
            _train, case, sizes, characters, (train, held_out, test), key, starts
        )
        if jax.default_backend() == "cpu":
            # One by one, so that a network's weights stay in the caches.
            return jax.lax.map(lambda own: one(*own), (rates, means))
        return jax.vmap(one)(rates, means)

    return whole


def _train(
    case: Case,
    sizes: Sizes,
    characters: int,
    parts: Sequence[jax.Array],
    key: jax.Array,
    starts: jax.Array,
    rate: jax.Array,
    mean: jax.Array,
) -> dict[str, jax.Array]:
    """One run, from its key, the starts of its sequences, rate and mean scale."""
    shape, model, (train, held_out, test) = sizes.shape, MODELS[case.model], parts
    tx = create(case.optimizer, case.arm, rate, sizes.steps, sizes.warmup, mean)
    fresh = model.init(key, shape, characters)

    def loss_fn(params: Any, tokens: jax.Array) -> jax.Array:
        """The mean loss of sequences (b, context + 1)."""
        logits = model.apply(shape, params, tokens[:, :-1])
        return optax.softmax_cross_entropy_with_integer_labels(
            logits, tokens[:, 1:]
        ).mean()

    def step(carry: Any, start: jax.Array) -> Any:
        params, opt_state = carry
        tokens = train[start[:, None] + jnp.arange(shape.context + 1)]
        loss, grads = jax.value_and_grad(loss_fn)(params, tokens.astype(jnp.int32))
        updates, opt_state = tx.update(grads, opt_state, params, value=loss)
        of_step = {"losses": loss}
        if ARMS[case.arm].has_scale:
            of_step["scales"] = current(opt_state).scale
        return (optax.apply_updates(params, updates), opt_state), of_step

    def evaluated(params: Any, text: jax.Array) -> jax.Array:
        places = sequences(len(text), shape.context, sizes.judged)
        return loss_fn(params, text[places].astype(jnp.int32))

    (params, _), of_steps = jax.lax.scan(step, (fresh, tx.init(fresh)), starts)
    return of_steps | {
        "first": evaluated(fresh, held_out),
        "held_out": evaluated(params, held_out),
        "test": evaluated(params, test),
    }


def sequences(characters: int, context: int, most: int) -> np.ndarray:
    """(n, context + 1): the places of the first sequences, `most` of them if possible.

    They overlap by a character, so that each but the first is predicted once.
    """
    starts = np.arange(0, characters - context, context)[:most]
    return starts[:, None] + np.arange(context + 1)


def spikes(losses: np.ndarray, window: int) -> np.ndarray:
    """(…, steps) to (…,): the share of spikes in percent.

    As the spike score of OLMo 2 (arXiv:2501.00656), it counts the steps whose loss is
    SPIKE standard deviations away from the rolling mean, here upward, and of the
    `window` steps before. A loss that is not finite is a spike.
    """
    losses = np.asarray(losses, np.float64)
    before = np.lib.stride_tricks.sliding_window_view(losses, window, axis=-1)
    before, now = before[..., :-1, :], losses[..., window:]
    with np.errstate(invalid="ignore", over="ignore"):
        limit = before.mean(axis=-1) + SPIKE * before.std(axis=-1)
        calm = now <= limit
    return 100 * (1 - calm.mean(axis=-1))
