"""The pure functions of a step and of a test, and the data that they work on."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.data.augment import augment, normalise
from experiments.data.datasets import Pipeline
from experiments.errors import UserError
from experiments.train.problem import Problem
from models.layers import BatchNorm


class TrainState(NamedTuple):
    """Everything that a run carries from step to step, as arrays."""

    step: jax.Array  # int32 scalar
    params: Any
    batch_stats: Any  # running statistics; empty for networks without batch norm
    opt_state: optax.OptState
    average: "Average | tuple[()]" = ()  # with weight averaging alone


class Average(NamedTuple):
    """The equal-weight mean of the weights that were added to it."""

    n: jax.Array  # int32 scalar
    params: Any


class Batch(NamedTuple):
    images: jax.Array  # (b, h, w, 3), normalized
    labels: jax.Array  # (b,) int32
    rows: jax.Array | None = None  # how many leading images count; None for all


class Metrics(NamedTuple):
    """Per step: float32 scalars, or (steps,) for an epoch."""

    loss: Any
    c: Any  # None for an arm without a landscape
    scale: Any  # None for an arm that scales no gradients by the loss


class Images(NamedTuple):
    """A whole split on the device: (n, h, w, 3) uint8 and (n,) int32."""

    images: jax.Array
    labels: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Draw:
    """The images that a step trains on, and the key of its random choices."""

    order: jax.Array  # (n,) the epoch's permutation of the training images
    start: Any  # int32: the mini-batch's first position in it
    key: jax.Array  # the run's; each step folds in its own number
    size: int = dataclasses.field(metadata={"static": True})  # of the mini-batch
    rows: jax.Array | None = None  # the number of them that it trains on; None for all

    @property
    def indices(self) -> jax.Array:  # (size,)
        return jax.lax.dynamic_slice(self.order, (self.start,), (self.size,))


def batch_slices(n: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, length) of each mini-batch; the last, partial one is kept."""
    for start in range(0, n, size):
        yield start, min(size, n - start)


def train_step(
    problem: Problem, state: TrainState, batch: Batch, key: jax.Array
) -> tuple[TrainState, Metrics]:
    """One step of the optimizer on the mean cross-entropy of a mini-batch.

    Images after the batch's `rows` do not enter the loss, statistics or gradients.

    Under a mapped axis, `batch` is a replica's part. Gradients *and* loss are averaged
    over the axis, so that the replicas agree on c and stay equal.
    """
    padded = {} if batch.rows is None else {"rows": batch.rows}

    def loss_fn(params: Any) -> tuple[jax.Array, Any]:
        logits, updated = problem.model.apply(
            {"params": params, "batch_stats": state.batch_stats},
            batch.images,
            train=True,
            rngs={"dropout": key},
            mutable=["batch_stats"],
            **padded,
        )
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels)
        return _mean(losses, batch.rows), updated.get("batch_stats", {})

    gradient = jax.value_and_grad(loss_fn, has_aux=True)
    with jax.default_matmul_precision(problem.products):
        (loss, batch_stats), grads = gradient(state.params)
        if problem.axis_name is not None:
            loss, grads = jax.lax.pmean((loss, grads), problem.axis_name)
        updates, opt_state = problem.tx.update(
            grads, state.opt_state, state.params, value=loss
        )
    params = optax.apply_updates(state.params, updates)
    c, scale = problem.arm.seen(opt_state)
    return (
        TrainState(state.step + 1, params, batch_stats, opt_state, state.average),
        Metrics(loss, c, scale),
    )


def _mean(losses: jax.Array, rows: jax.Array | None) -> jax.Array:
    if rows is None:
        return losses.mean()
    return jnp.where(jnp.arange(len(losses)) < rows, losses, 0).sum() / rows


def step_from_data(
    problem: Problem,
    state: TrainState,
    data: Images,
    draw: Draw,
    sharding: jax.sharding.NamedSharding | None = None,
) -> tuple[TrainState, Metrics]:
    """Train on the mini-batch that `draw` names.

    Under a mapped axis, each replica trains on its part of the mini-batch. If the parts
    would be unequal, every replica trains on the whole mini-batch, with the same
    result. With a sharding, the compiler spreads the mini-batch accordingly.
    """
    step_key = jax.random.fold_in(draw.key, state.step)
    augment_key, dropout_key = jax.random.split(step_key)
    batch = make_batch(data, draw.indices, augment_key, problem.pipeline)
    if problem.axis_name is not None:
        replica = jax.lax.axis_index(problem.axis_name)
        part, rest = divmod(draw.size, jax.lax.axis_size(problem.axis_name))
        if not rest:
            batch = jax.tree.map(
                lambda x: jax.lax.dynamic_slice_in_dim(x, replica * part, part), batch
            )
            dropout_key = jax.random.fold_in(dropout_key, replica)
    if sharding is not None and draw.size % sharding.num_devices == 0:
        batch = jax.lax.with_sharding_constraint(batch, sharding)
    return train_step(problem, state, batch._replace(rows=draw.rows), dropout_key)


def make_batch(
    data: Images, indices: jax.Array, key: jax.Array, pipeline: Pipeline
) -> Batch:
    """Gather, augment and normalize the images at `indices` (b,)."""
    images = augment(jnp.take(data.images, indices, axis=0), key, pipeline)
    return Batch(normalise(images, pipeline), jnp.take(data.labels, indices, axis=0))


def evaluate_batch(
    problem: Problem,
    state: TrainState,
    test: Images,
    start: jax.Array,
    key: jax.Array,
    size: int,
) -> tuple[jax.Array, jax.Array]:
    """The number of correct predictions and the summed loss of `size` test images.

    With eval_mode "train", the network stays in training mode, as in the published
    script: batch norm uses the test batch's statistics, and dropout stays on.
    """
    images = jax.lax.dynamic_slice_in_dim(test.images, start, size)
    labels = jax.lax.dynamic_slice_in_dim(test.labels, start, size)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    images = normalise(images, problem.pipeline)
    with jax.default_matmul_precision(problem.products):
        if problem.eval_mode == "eval":
            logits: Any = problem.model.apply(variables, images, train=False)
        else:
            key = jax.random.fold_in(jax.random.fold_in(key, state.step), start)
            logits, _ = problem.model.apply(
                variables,
                images,
                train=True,
                rngs={"dropout": key},
                mutable=["batch_stats"],
            )
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return (logits.argmax(axis=-1) == labels).sum(), losses.sum()


def init_state(problem: Problem, key: jax.Array) -> TrainState:
    """Fresh weights and optimizer state."""
    images = jnp.zeros((1, *problem.image_shape), jnp.float32)
    variables = problem.model.init(key, images, train=False)
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        opt_state=problem.tx.init(params),
        average=(
            ()
            if problem.swa_start is None
            else Average(jnp.zeros((), jnp.int32), optax.tree.zeros_like(params))
        ),
    )


def with_weights(state: TrainState, weights: Mapping[str, Any]) -> TrainState:
    """A fresh state with another run's weights, {"params": …, "batch_stats": …}.

    Raises:
      UserError: the weights belong to another network.
    """
    for name, tree in weights.items():
        fresh = getattr(state, name)
        if jax.tree.map(jnp.shape, tree) != jax.tree.map(jnp.shape, fresh):
            raise UserError(f"--init-from: its {name} belong to another network")
    return state._replace(**jax.tree.map(jnp.asarray, dict(weights)))


def add_to_average(state: TrainState) -> TrainState:
    """Add the weights to their mean, as weight averaging does after an epoch."""
    assert isinstance(state.average, Average)
    count = state.average.n + 1
    mean = jax.tree.map(
        lambda mean, p: (mean + (p - mean) / count).astype(p.dtype),
        state.average.params,
        state.params,
    )
    return state._replace(average=Average(count, mean))


def batch_statistics(
    problem: Problem, params: Any, zeros: Any, batch: Batch, key: jax.Array
) -> Any:
    """The batch-norm statistics of one mini-batch, in the tree of `zeros`."""
    with jax.default_matmul_precision(problem.products):
        _, updated = problem.model.apply(
            {"params": params, "batch_stats": zeros},
            batch.images,
            train=True,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )
    # Running statistics are 0.9 of the old ones, here 0, and 0.1 of the batch's.
    return jax.tree.map(lambda x: x / (1 - BatchNorm.momentum), updated["batch_stats"])


def statistics_from_data(
    problem: Problem, params: Any, zeros: Any, data: Images, draw: Draw
) -> Any:
    """`batch_statistics` of the mini-batch that `draw` names."""
    draw_key = jax.random.fold_in(draw.key, draw.start)
    augment_key, dropout_key = jax.random.split(draw_key)
    batch = make_batch(data, draw.indices, augment_key, problem.pipeline)
    return batch_statistics(problem, params, zeros, batch, dropout_key)
