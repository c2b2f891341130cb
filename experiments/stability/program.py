"""The runs of one task, optimizer and arm: all seeds and learning rates at once."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.config import replay
from experiments.config.optimizers import OPTIMIZERS
from experiments.config.precision import MEANINGS
from experiments.stability.arms import ARMS, parameters
from experiments.stability.images import USUAL, Images, Places, Split
from experiments.stability.tasks import CLASSES, TASKS, Task

COLLAPSED_UNDER = 20.0  # percent of the test images; guessing gives 10
WINDOW = 20  # steps that a loss is averaged over
# Below nine tenths of guessing's loss, a network has learned something.
LEARNED = 0.9 * np.log(CLASSES)


class Outcome(NamedTuple):
    """Arrays (seeds, rates); losses and scales (seeds, rates, steps)."""

    test_accuracy: Any  # percent
    held_out_accuracy: Any
    losses: Any
    scales: Any  # None for an arm without a scale


def batches(seed: int, task: Task, images: int) -> np.ndarray:
    """(steps, batch) int32: the images of each step, in successive shuffled epochs."""
    rng = np.random.default_rng(seed)
    needed = task.steps * task.batch
    epochs = [rng.permutation(images) for _ in range(-(-needed // images))]
    order = np.concatenate(epochs)[:needed].astype(np.int32)
    return order.reshape(task.steps, task.batch)


def run(
    task: str,
    optimizer: str,
    arm: str,
    seeds: Sequence[int],
    rates: Sequence[float],
    scales: np.ndarray | None = None,
    places: Places = USUAL,
) -> Outcome:
    """Train every pair of a seed and a rate; on several devices, seeds are spread.

    Args:
      scales: (seeds, rates, steps) of the LM runs, for an arm that replays them.
      places: where to look for the task's data set.
    """
    what = TASKS[task]
    images = what.images(places)
    keys = jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))
    order = np.stack([batches(s, what, len(images.train.labels)) for s in seeds])
    reorder = ARMS[arm].replay
    replayed = np.ones((len(seeds), len(rates), 1), np.float32)
    if reorder is not None:
        assert scales is not None
        replayed = np.array(
            [
                [reorder(of_rate, what.steps, seed) for of_rate in of_seed]
                for seed, of_seed in zip(seeds, scales, strict=True)
            ],
            np.float32,
        )
    by_seed = (keys, order, replayed)
    devices = jax.local_devices()
    if len(devices) > 1 and len(seeds) % len(devices) == 0:
        mesh = jax.sharding.Mesh(np.array(devices), ("seeds",))
        spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("seeds"))
        by_seed = jax.device_put(by_seed, spread)
    outcome = _program(task, optimizer, arm)(
        images, *by_seed, np.asarray(rates, np.float32)
    )
    return Outcome(*jax.device_get(outcome))


@functools.cache
def _program(task: str, optimizer: str, arm: str) -> Any:
    def of_seed(images, rates, key, order, replayed):
        one = functools.partial(_train, TASKS[task], optimizer, arm, images, key, order)
        return jax.vmap(one)(rates, replayed)

    @jax.jit
    @jax.default_matmul_precision(MEANINGS["float32"].products)  # not TF32 on a GPU
    def whole(images, keys, order, replayed, rates):
        one = functools.partial(of_seed, images, rates)
        if jax.default_backend() != "cpu" or len(jax.local_devices()) > 1:
            return jax.vmap(one)(keys, order, replayed)
        # Seed by seed, so that the weights of one seed's rates stay in a CPU's caches.
        return jax.lax.map(lambda of_one: one(*of_one), (keys, order, replayed))

    return whole


def _train(
    task: Task,
    optimizer: str,
    arm_name: str,
    splits: Images,
    key: jax.Array,
    order: jax.Array,
    rate: jax.Array,
    replayed: jax.Array,
) -> Outcome:
    """One run, from its key, images (steps, batch), rate and scales to replay."""
    arm, (train, held_out, test) = ARMS[arm_name], splits
    tx = arm.create(
        OPTIMIZERS[optimizer],
        rate,
        parameters(arm_name),
        steps=task.steps,
        momentum=OPTIMIZERS[optimizer].momentum or 0.0,
    )
    params = task.init(key)
    opt_state = tx.init(params)
    if arm.replay is not None:
        opt_state = replay.with_scales(opt_state, replayed)

    def step(carry, indices):
        params, opt_state = carry

        def loss_fn(params):
            logits = task.apply(params, train.images[indices])
            losses = optax.softmax_cross_entropy_with_integer_labels(
                logits, train.labels[indices]
            )
            return losses.mean()

        loss, grads = jax.value_and_grad(loss_fn)(params)
        updates, opt_state = tx.update(grads, opt_state, params, value=loss)
        _, scale = arm.seen(opt_state)
        return (optax.apply_updates(params, updates), opt_state), (loss, scale)

    (params, _), (losses, scales) = jax.lax.scan(step, (params, opt_state), order)
    return Outcome(
        _accuracy(task, params, test), _accuracy(task, params, held_out), losses, scales
    )


def _accuracy(task: Task, params: Any, split: Split) -> jax.Array:
    logits = task.apply(params, jnp.asarray(split.images))
    return 100 * (logits.argmax(axis=-1) == split.labels).mean()


def averaged(losses: np.ndarray) -> np.ndarray:
    """(…, steps) to (…, steps − WINDOW + 1): the mean over each WINDOW of steps."""
    windows = np.lib.stride_tricks.sliding_window_view(losses, WINDOW, axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        return windows.mean(axis=-1, dtype=np.float64)


def collapsed(outcome: Outcome) -> np.ndarray:
    """(seeds, rates): below COLLAPSED_UNDER on the test set, or a non-finite loss."""
    lost = ~np.isfinite(outcome.losses[..., -WINDOW:]).all(axis=-1)
    return lost | (outcome.test_accuracy < COLLAPSED_UNDER)


def collapse_steps(outcome: Outcome) -> np.ndarray:
    """(seeds, rates): the last step at which a collapsed run had learned something.

    It is the end of the last WINDOW of steps with a mean loss below LEARNED; 0 if there
    is none, −1 for a run that did not collapse.
    """
    learned = averaged(outcome.losses) < LEARNED  # NaN is not below it
    windows = learned.shape[-1]
    last = windows - 1 - learned[..., ::-1].argmax(axis=-1)
    step = np.where(learned.any(axis=-1), last + WINDOW, 0)
    return np.where(collapsed(outcome), step, -1)
