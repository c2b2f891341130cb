"""The rivals against plain loops, written from their papers and sources."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.config import rivals
from landmod_jax import torch_optim

STEPS = 60
RNG = np.random.default_rng(0)
# Heavy-tailed gradients of two leaves, and losses, with spikes; few of each window.
SIZES = 1 + (RNG.random(STEPS) < 0.15) * RNG.uniform(3, 300, STEPS)
GRADIENTS = [
    {"b": RNG.normal(size=2) * size, "w": RNG.normal(size=(3, 2)) * size * drift}
    for size, drift in zip(SIZES, np.geomspace(1, 0.1, STEPS))
]
LOSSES = 2.0 + RNG.normal(size=STEPS) * 0.1 + np.log(SIZES)


def norm(tree):
    return np.sqrt(sum((np.asarray(leaf) ** 2).sum() for leaf in tree.values()))


def z_score(gradients, losses, threshold):
    """ZClip's algorithm 1, with the reciprocal rule; 10 steps of warm-up."""
    warmup, mean, variance, out = [], None, None, []
    for g in gradients:
        size = clipped = norm(g)
        if mean is None:
            warmup.append(size)
            if len(warmup) == 10:
                mean, variance = np.mean(warmup), np.var(warmup)
        else:
            z = (size - mean) / (np.sqrt(variance) + 1e-6)
            if z > threshold:
                clipped = mean + threshold**2 / z * np.sqrt(variance)
            mean = 0.97 * mean + 0.03 * clipped
            variance = 0.97 * variance + 0.03 * (clipped - mean) ** 2
        out.append({name: leaf * clipped / size for name, leaf in g.items()})
    return out


def history(gradients, losses, relative):
    """AdaGC's algorithm, with T_start = 20."""
    averages, out = dict.fromkeys(gradients[0], np.inf), []
    for t, g in enumerate(gradients, start=1):
        clipped = {}
        for name, leaf in g.items():
            size = np.linalg.norm(leaf)
            if t < 20:
                clipped[name] = leaf * min(1.0 / norm(g), 1)
                averages[name] = min(averages[name], np.linalg.norm(clipped[name]))
            else:
                clipped[name] = leaf * min(relative * averages[name] / size, 1)
                average = 0.98 * averages[name]
                averages[name] = average + 0.02 * np.linalg.norm(clipped[name])
        out.append(clipped)
    return out


def skipping(gradients, losses, deviations):
    """OLMo's rule with a window of 16, ahead of SGD with momentum."""
    trace, seen, out = None, [], []
    for g, loss in zip(gradients, losses):
        pair = np.array([loss, norm(g)])
        last = np.array(seen[-16:])
        ok = len(seen) + 1 < 8 or all(
            pair <= last.mean(axis=0) + deviations * last.std(axis=0, ddof=1)
        )
        seen.append(pair)
        if ok:
            old = trace or dict.fromkeys(g, 0.0)
            trace = {name: leaf + 0.9 * old[name] for name, leaf in g.items()}
        out.append({name: -0.1 * ok * leaf for name, leaf in trace.items()})
    return out


def stable_adam(gradients, losses, threshold):
    """StableAdamW's algorithm 2 without decay, with β̂ in place of corrections."""
    v = dict.fromkeys(gradients[0], 0.0)
    u, out = dict(v), []
    for t, g in enumerate(gradients, start=1):
        b1, b2 = (b * (1 - b ** (t - 1)) / (1 - b**t) for b in (0.9, 0.999))
        steps = {}
        for name, leaf in g.items():
            v[name] = b1 * v[name] + (1 - b1) * leaf
            u[name] = b2 * u[name] + (1 - b2) * leaf**2
            rms = np.sqrt(np.mean(leaf**2 / np.maximum(u[name], 1e-16)))
            rate = 0.1 / max(1, rms / threshold)
            steps[name] = -rate * v[name] / (np.sqrt(u[name]) + 1e-8)
        out.append(steps)
    return out


def plain_sgd():
    return optax.sgd(0.1, momentum=0.9)


RIVALS = {
    "z-score": (lambda x: rivals.clip_by_z_score(x, warmup=10), z_score, 2.0),
    "history": (lambda x: rivals.clip_by_history(x, warmup=20), history, 1.05),
    "skipping": (
        lambda x: rivals.skip_spikes(plain_sgd(), x, window=16),
        skipping,
        3.0,
    ),
    "updates": (
        lambda x: rivals.clip_updates(torch_optim.adam(0.1), x),
        stable_adam,
        0.5,
    ),
}


def updates_of(make, strength, gradients, losses):
    tx = optax.with_extra_args_support(make(strength))

    def step(state, batch):
        g, loss = batch
        updates, state = tx.update(g, state, params, value=loss)
        return state, updates

    params = jax.tree.map(jnp.zeros_like, gradients[0])
    stacked = jax.tree.map(lambda *leaves: jnp.float32(jnp.stack(leaves)), *gradients)
    batches = stacked, jnp.float32(losses)
    return jax.jit(lambda: jax.lax.scan(step, tx.init(params), batches))()


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_is_its_papers_loop(name):
    make, loop, strength = RIVALS[name]
    _, updates = updates_of(make, strength, GRADIENTS, LOSSES)
    expected = loop(GRADIENTS, LOSSES, strength)
    unchanged = loop(GRADIENTS, LOSSES, 1e9)
    touched = [
        t for t in range(STEPS) if not np.allclose(expected[t]["w"], unchanged[t]["w"])
    ]
    assert touched
    for leaf in ("b", "w"):
        whole = np.stack([step[leaf] for step in expected])
        np.testing.assert_allclose(updates[leaf], whole, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "bad"), [("z-score", np.inf), ("history", np.nan), ("skipping", np.inf)]
)
def test_a_step_that_is_not_finite_changes_no_statistics(name, bad):
    make, _, strength = RIVALS[name]
    worst = {"b": np.array([1.0, bad]), "w": np.ones((3, 2))}
    place = STEPS // 2
    with_it = [*GRADIENTS[:place], worst, *GRADIENTS[place:]]
    losses = np.insert(LOSSES, place, 2.0)
    _, updates = updates_of(make, strength, with_it, losses)
    _, without = updates_of(make, strength, GRADIENTS, LOSSES)
    for leaf in ("b", "w"):
        others = np.delete(updates[leaf], place, axis=0)
        np.testing.assert_allclose(others, without[leaf], rtol=1e-6)
    assert (updates["w"][place] == 0).all()
    assert np.isnan(updates["b"][place, 1]) == (name != "skipping")


def test_a_step_whose_loss_is_not_finite_is_left_out():
    losses = LOSSES.copy()
    losses[30] = np.nan
    state, updates = updates_of(RIVALS["skipping"][0], 3.0, GRADIENTS, losses)
    assert (updates["w"][30] == 0).all()
    assert np.isfinite(state.losses).all()
    assert (updates["w"][31:] != 0).any()


@pytest.mark.parametrize("name", ["z-score", "history"])
def test_a_gradient_of_0_stays_0(name):
    make, _, strength = RIVALS[name]
    zeros = [jax.tree.map(np.zeros_like, GRADIENTS[0])] * 30
    _, updates = updates_of(make, strength, zeros, LOSSES[:30])
    assert (updates["w"] == 0).all()
