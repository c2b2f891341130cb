"""The study's runs against runs one by one, and what happens to their batches."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm
from experiments.batches import program, remedies, scenarios
from experiments.batches.networks import NETWORKS, RATES
from experiments.batches.options import PLAN, RARE_CLASSES, SCENARIOS, Case, Config
from experiments.batches.remedies import REMEDIES
from experiments.stability.images import digits

SEEDS = (9300, 9301)
STEPS = 40


@pytest.fixture(scope="module", autouse=True)
def short():
    """Runs of few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenarios, "STEPS", STEPS)
        yield
    program._program.cache_clear()


def batches(name, seed=9300):
    return scenarios.batches(seed, SCENARIOS[name], digits().train.labels)


def one_by_one(tx, case, seed):
    """Losses and right test images of a run, step by step, with optax alone."""
    network, data = NETWORKS[case.network], digits()
    params = network.init(jax.random.key(seed))
    state, losses = tx.init(params), []

    @jax.jit
    def step(params, state, images, labels, gains):
        def loss_fn(params):
            logits = jax.nn.log_softmax(network.apply(params, images))
            return -logits[jnp.arange(len(labels)), labels].mean()

        loss, grads = jax.value_and_grad(loss_fn)(params)
        grads = jax.tree.map(lambda g: g * gains[1], grads)
        updates, state = tx.update(grads, state, params, value=loss * gains[0])
        return optax.apply_updates(params, updates), state, loss

    of_seed = batches(case.scenario, seed)
    gains = np.stack([of_seed.loss_gain, of_seed.gradient_gain], axis=1)
    for t in range(STEPS):
        images = data.train.images[of_seed.images[t]]
        images = images * of_seed.factors[t][:, None, None]
        params, state, loss = step(params, state, images, of_seed.labels[t], gains[t])
        losses.append(float(loss))
    return losses, network.apply(params, data.test.images).argmax(-1)


MAKE = {
    "lm": lambda adam, k: optax.chain(lm.landscape_modify(lambda u: k * u), adam),
    "lm_after": lambda adam, k: optax.chain(adam, lm.landscape_modify(lambda u: k * u)),
    "clip": lambda adam, k: optax.chain(optax.clip_by_global_norm(k), adam),
}


@pytest.mark.parametrize("arm", MAKE)
def test_runs_are_those_of_optax(arm):
    case = Case("mlp", "adam", "scaled2")
    remedy = REMEDIES[arm]
    found = program.run(case, arm, SEEDS, remedy.strengths)
    labels = digits().test.labels
    rare = np.isin(labels, RARE_CLASSES)
    adam = optax.with_extra_args_support(optax.adam(NETWORKS["mlp"].rates["adam"]))
    for i, j in ((0, 0), (1, len(remedy.strengths) - 1)):
        tx = MAKE[arm](adam, remedy.strengths[j])
        losses, guesses = one_by_one(tx, case, SEEDS[i])
        np.testing.assert_allclose(found.losses[i, j], losses, rtol=2e-2, atol=1e-4)
        right = guesses == labels
        accuracies = found.test_accuracy[i, j], found.rare_accuracy[i, j]
        expected = 100 * right.mean(), 100 * right[rare].mean()
        np.testing.assert_allclose(accuracies, expected, atol=1.5)
    if arm == "clip":  # of a gradient that is a thousand times as large, less is left
        assert (found.left_marked < found.left_others).all()
        assert found.left_others.max() == pytest.approx(1, abs=0.05)


def test_all_arms_train_on_the_same_batches():
    """At a strength that never intervenes, every arm is the plain optimizer."""
    case = Case("mlp", "adam", "shift")
    plain = program.run(case, "base", SEEDS, (0.0,)).losses
    for arm in set(remedies.RIVALS) - MAKE.keys():  # those are held against optax
        found = program.run(case, arm, SEEDS, (1e9,))
        first = 25 if arm != "history" else 0  # AdaGC always clips at first
        np.testing.assert_allclose(found.losses[..., :first], plain[..., :first], 1e-3)
        assert np.isfinite(found.losses).all(), arm
        around = REMEDIES[arm].ahead is remedies.nothing
        assert np.isnan(found.left_others).all() == around


def test_c_is_reset_when_the_labels_shift():
    case = Case("mlp", "sgd", "shift")
    kept, reset = (program.run(case, x, SEEDS, (3.0,)) for x in ("lm", "lm_reset"))
    half = STEPS // 2
    np.testing.assert_allclose(
        kept.losses[..., : half + 1], reset.losses[..., : half + 1]
    )
    late = [x.losses[..., half + 5 :].mean(axis=-1) for x in (kept, reset)]
    assert (late[0] > late[1]).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_bad_or_rare_is_exactly_the_share_of_the_batches(name, monkeypatch):
    monkeypatch.setattr(scenarios, "STEPS", 400)
    scenario, labels = SCENARIOS[name], digits().train.labels
    of_seed = batches(name)
    assert of_seed.images.shape == (400, scenario.batch)
    expected = round(400 * scenario.share) * (not scenario.mixed)
    assert of_seed.marked.sum() == expected
    wrong = of_seed.labels != labels[of_seed.images]
    bad = of_seed.factors == 30
    gains = np.stack([of_seed.loss_gain, of_seed.gradient_gain])
    gained = {"scaled": (expected,) * 2, "gradient": (0, expected)}
    assert tuple((gains == 1000).sum(axis=1)) == gained.get(scenario.fault, (0, 0))
    assert ((gains == 1) | (gains == 1000)).all()
    count = {"inputs": 32, "device": 4}.get(scenario.fault, 0)
    assert (bad.sum(axis=1) == np.where(of_seed.marked, count, 0)).all()
    if scenario.shift:
        assert wrong[200:].all()
        assert not wrong[:200].any()
        assert ((of_seed.labels - labels[of_seed.images])[wrong] % 10 == 1).all()
    else:
        assert not (wrong & ~bad).any()
        assert wrong.any() == bool(count)
        shuffled, right = of_seed.labels, labels[of_seed.images]
        assert (np.sort(shuffled, axis=1) == np.sort(right, axis=1)).all()
    rare = np.isin(labels[of_seed.images], RARE_CLASSES)
    if scenario.mixed:
        assert rare.sum() == 32 * 12
        assert (rare.any(axis=1)).sum() > 200
    elif scenario.rare:
        assert (rare == of_seed.marked[:, None]).all()


def test_scenarios_share_the_order_of_the_images():
    orders = [batches(x).images for x in ("none", "inputs2", "gradient2", "shift")]
    assert all((order == orders[0]).all() for order in orders)
    assert (batches("none", 9301).images != orders[0]).any()
    assert (np.sort(batches("none").images.ravel()[:1257]) == np.arange(1257)).all()


def test_the_transformer_attends_as_the_formula_says():
    """A block of one head against plain loops."""
    from experiments.batches import networks

    rng = np.random.default_rng(0)
    projected = rng.normal(size=(2, 3, 3 * 4)).astype(np.float32)
    found = networks._attention(jnp.asarray(projected), 2)
    expected = np.zeros((2, 3, 4))
    for b in range(2):
        for head in range(2):
            part = [projected[b, :, 4 * i + 2 * head :][:, :2] for i in range(3)]
            for token in range(3):
                scores = np.exp(part[1] @ part[0][token] / np.sqrt(2))
                mixed = (scores / scores.sum()) @ part[2]
                expected[b, token, 2 * head : 2 * head + 2] = mixed
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_plan_names_what_exists():
    cases = Config().cases()
    assert len(cases) == sum(len(o) * len(s) for _, o, s, _ in PLAN)
    for case in cases:
        assert Case.named(case.name) == case
        assert NETWORKS[case.network].rates[case.optimizer] in RATES[case.optimizer]
    spent = {*range(9000, 9300)}
    assert not spent & {x for case in cases for x in Config().seed_numbers(case)}
    for remedy in REMEDIES.values():
        assert remedy.default in remedy.strengths
    assert {*remedies.OURS, *remedies.RIVALS} < set(REMEDIES)
