"""The study's networks and runs, against runs one by one and NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

import landmod_jax as lm
from experiments.config.optimizers import OPTIMIZERS
from experiments.data import loading
from experiments.stability import images, program, tasks
from experiments.stability.arms import ARMS, replayed
from experiments.stability.images import Places

STEPS = 25
SEEDS = (2000, 2001)
RATES = (0.02, 0.06)


@pytest.fixture(scope="module", autouse=True)
def short():
    """The MLP of 6 layers for few steps."""
    whole = tasks.TASKS["mlp6"]
    tasks.TASKS["mlp6"] = dataclasses.replace(whole, steps=STEPS)
    yield
    tasks.TASKS["mlp6"] = whole
    program._program.cache_clear()


@pytest.fixture(scope="module")
def lm_runs():
    return program.run("mlp6", "sgd", "lm", SEEDS, RATES)


def one_by_one(make, seed, rate):
    """Losses and test accuracy of a run, step by step, with optax alone."""
    task, data = tasks.TASKS["mlp6"], images.digits()
    params = task.init(jax.random.key(seed))
    tx = make(rate)
    state, losses = tx.init(params), []

    @jax.jit
    def step(params, state, images, labels):
        def loss_fn(params):
            logits = task.apply(params, images)
            return optax.softmax_cross_entropy_with_integer_labels(
                logits, labels
            ).mean()

        loss, grads = jax.value_and_grad(loss_fn)(params)
        updates, state = tx.update(grads, state, params, value=loss)
        return optax.apply_updates(params, updates), state, loss

    for indices in program.batches(seed, task, len(data.train.images)):
        params, state, loss = step(
            params, state, data.train.images[indices], data.train.labels[indices]
        )
        losses.append(float(loss))
    right = np.argmax(task.apply(params, data.test.images), -1) == data.test.labels
    return losses, 100 * right.mean()


def sgd(rate):
    return optax.sgd(rate, momentum=0.9)


OPTAX = {
    "lm": lambda rate: optax.chain(lm.landscape_modify(), sgd(rate)),
    "lm_after": lambda rate: optax.chain(sgd(rate), lm.landscape_modify()),
    "lm_bounded": lambda rate: optax.chain(
        lm.landscape_modify(lm.bounded(1.0, 1.0)), sgd(rate)
    ),
    "momo": lambda rate: optax.contrib.momo(10 * rate, 0.9),
}


@pytest.mark.parametrize("arm", sorted(OPTAX))
def test_vectorized_runs_are_those_one_by_one(arm, lm_runs):
    outcome = lm_runs if arm == "lm" else program.run("mlp6", "sgd", arm, SEEDS, RATES)
    assert outcome.losses.shape == (2, 2, STEPS)
    # Arms of a seed share weights and images.
    np.testing.assert_allclose(outcome.losses[..., 0], lm_runs.losses[..., 0], 1e-6)
    for i, seed in enumerate(SEEDS):
        for j, rate in enumerate(RATES):
            losses, accuracy = one_by_one(OPTAX[arm], seed, rate)
            # Chaos at the large rate lets rounding grow.
            alike = 15 if j else STEPS
            np.testing.assert_allclose(
                outcome.losses[i, j, :alike], losses[:alike], rtol=2e-4
            )
            if alike == STEPS:
                assert outcome.test_accuracy[i, j] == pytest.approx(accuracy, abs=1.5)


def test_replays_multiply_by_the_lm_runs_scales(lm_runs):
    assert lm_runs.scales.min() < 1
    run = program.run("mlp6", "sgd", "mean_scale", SEEDS, RATES, lm_runs.scales)
    means = lm_runs.scales.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(run.scales, means.repeat(STEPS, -1), rtol=1e-5)


def test_a_replay_after_adam_shortens_its_steps():
    """A constant scale is another learning rate, which it is not ahead of Adam."""
    scales = np.full((2, 2, STEPS), 0.5, np.float32)
    one = program.run("mlp6", "adam", "mean_after", SEEDS, (0.002, 0.004), scales)
    half = program.run("mlp6", "adam", "base", SEEDS, (0.001, 0.002))
    np.testing.assert_allclose(one.losses, half.losses, rtol=1e-4)
    np.testing.assert_array_equal(one.scales, scales)
    assert replayed("shuffled_after") == "lm_after"
    assert replayed("shuffled_scale") == "lm"
    assert replayed("lm") is None


def test_images_come_in_shuffled_epochs():
    first, second = (program.batches(s, tasks.TASKS["mlp6"], 100) for s in SEEDS)
    assert (first != second).any()
    epoch = first.ravel()[:100]
    np.testing.assert_array_equal(np.sort(epoch), np.arange(100))


def test_the_recurrence_by_hand():
    task = tasks.TASKS["rnn"]
    params = jax.device_get(task.init(jax.random.key(0)))
    images = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    state = np.zeros((3, 64))
    for row in range(8):
        state = np.tanh(images[:, row] @ params["in"]["w"] + state @ params["again"])
    expected = state @ params["out"]["w"]
    np.testing.assert_allclose(task.apply(params, images), expected, atol=1e-4)


@pytest.mark.parametrize("name", sorted(tasks.TASKS))
def test_a_tasks_record(name):
    task = tasks.TASKS[name]
    assert task.name == name
    params = jax.eval_shape(task.init, jax.random.key(0))
    shape = (32, 32, 3) if name == "cifar10" else (8, 8)
    logits = jax.eval_shape(task.apply, params, jnp.zeros((2, *shape)))
    assert logits.shape == (2, tasks.CLASSES)
    matrices = [p for p in jax.tree.leaves(params) if p.ndim == 2]
    depths = {"mlp6": 6, "mlp12": 12, "mlp24": 24, "conv10": 11, "rnn": 3}
    assert len(matrices) == {**depths, "cifar10": 11}[name]
    for rates in (tasks.rates(name, optimizer) for optimizer in OPTIMIZERS):
        assert list(rates) == sorted(set(rates))


def test_a_color_image_goes_in_by_patches_and_is_halved():
    """Against strided convolution, flax's pooling and convolution."""
    channels = 5
    init, apply = tasks._color_conv(channels, large=1, small=1)
    params = init(jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)

    def convolved(x, layer, side, stride):
        kernel = layer["w"].reshape(side, side, -1, channels)
        x = jax.lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return nn.relu(x + layer["b"])

    first, second, third, last = params
    expected = convolved(convolved(x, first, 4, 4), second, 3, 1)
    expected = convolved(nn.max_pool(expected, (2, 2), (2, 2)), third, 3, 1)
    expected = expected.reshape(3, -1) @ last["w"] + last["b"]
    np.testing.assert_allclose(apply(params, x), expected, rtol=1e-4, atol=1e-4)


def test_splits_do_not_overlap():
    splits = images.digits()
    assert [len(split.labels) for split in splits] == [1257, 180, 360]
    kinds = {image.tobytes() for split in splits for image in split.images}
    assert len(kinds) == 1797
    assert splits.train.images.mean() == pytest.approx(0, abs=1e-5)


def test_a_part_of_cifar10_in_three_splits(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    asked = []

    def load(name, **options):
        asked.append((name, options))
        count = options["limit_train"]
        train, test = (
            rng.integers(0, 256, (n, 32, 32, 3), np.uint8) for n in (count, 30)
        )
        labels = rng.integers(0, 10, count, np.int32), rng.integers(0, 10, 30, np.int32)
        return loading.Dataset(name, train, labels[0], test, labels[1], ("0",) * 10)

    monkeypatch.setattr(images.loading, "load", load)
    for name, count in {"TRAINED": 200, "HELD_OUT": 20, "TESTED": 25}.items():
        monkeypatch.setattr(images, name, count)
    splits = images.cifar10.__wrapped__(Places(tmp_path / "data", tmp_path / "cache"))
    places = {"data_dir": tmp_path / "data", "cache_dir": tmp_path / "cache"}
    assert asked == [("cifar10", {**places, "limit_train": 220})]
    assert [split.images.shape for split in splits] == [
        (n, 32, 32, 3) for n in (200, 20, 25)
    ]
    assert [len(split.labels) for split in splits] == [200, 20, 25]
    assert splits.train.images.mean() == pytest.approx(0, abs=1e-5)
    assert splits.train.images.std() == pytest.approx(1, abs=1e-5)
    assert len({image.tobytes() for split in splits for image in split.images}) == 245


def outcome(losses, accuracy):
    losses = np.asarray(losses, float)[None]
    return program.Outcome(np.array([accuracy]), None, losses, None)


def test_what_collapsed_and_when_by_hand():
    low, high, nan = [0.5] * 100, [2.4] * 100, [np.nan] * 100
    runs = outcome(
        [low + low, low + high, high + high, low + nan, high + low],
        [90.0, 10.0, 10.0, 30.0, 19.9],
    )
    assert program.collapsed(runs).tolist() == [[False, True, True, True, True]]
    # Of the 20 losses up to step 103, 17 are 0.5: their mean is 0.785; three more
    # windows on, at step t, (120 − t) · 0.5 + (t − 100) · 2.4 over 20 passes
    # 0.9 ln 10 = 2.0723 after t = 116 (2.02; 117: 2.115).
    steps = program.collapse_steps(runs)[0].tolist()
    assert steps == [-1, 116, 0, 100, 200]


def test_float32_is_asked_for_of_a_gpu():
    """A GPU would otherwise multiply in TF32."""
    lowered = program._program("mlp6", "sgd", "lm").lower(
        images.digits(),
        jax.vmap(jax.random.key)(jnp.zeros(1, jnp.uint32)),
        jnp.zeros((1, STEPS, 32), jnp.int32),
        jnp.ones((1, 1, 1)),
        jnp.ones(1),
    )
    products = [x for x in lowered.as_text().splitlines() if "dot_general" in x]
    assert products
    assert all("precision = [HIGHEST, HIGHEST]" in x for x in products)


def test_every_arm_of_the_plan_is_an_arm():
    from experiments.stability.options import PLAN, Config

    for task, optimizers, arms in PLAN:
        assert task in tasks.TASKS
        assert set(optimizers) <= set(OPTIMIZERS)
        assert set(arms) <= set(ARMS)
    cases = Config().cases()
    assert len(cases) == len(set(cases)) == 98
    assert len(Config(tasks=("conv10",)).cases()) == 12
    assert not set(Config().seed_numbers()) & {*range(24), *range(1000, 1024)}
