"""The arms' chains, against loops over NumPy arrays and against optax alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm
from experiments.config import rivals
from experiments.language import arms
from experiments.language.options import PLAN

STEPS, WARMUP, RATE = 40, 8, 0.01


def problem():
    """Parameters, and for each step the gradients' noise and a loss."""
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 3), "b": (3,)}
    params = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    noise = [
        {name: rng.lognormal() * rng.normal(size=x) for name, x in shapes.items()}
        for _ in range(STEPS)
    ]
    return params, noise, rng.uniform(0.5, 3.0, STEPS)


def trained(tx, dtype=np.float64):
    """Parameters after each step; gradients have a pull towards 0."""
    params, noise, losses = jax.tree.map(lambda x: jnp.asarray(x, dtype), problem())
    state, path = tx.init(params), []
    update = jax.jit(lambda g, s, p, loss: tx.update(g, s, p, value=loss))
    for drawn, loss in zip(noise, losses):
        grads = jax.tree.map(lambda g, p: g + 0.1 * p, drawn, params)
        updates, state = update(grads, state, params, loss)
        params = optax.apply_updates(params, updates)
        path.append(params)
    return path


def distance(first, second):
    """The largest difference of any parameter at any step."""
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return max(float(abs(a - b).max()) for a, b in pairs)


def belief(arm, mean=1.0):
    return arms.create("adabelief", arm, RATE, STEPS, WARMUP, mean)


@pytest.mark.parametrize("k", [0.2, 3.0, 18.0])
def test_gradients_over_k_are_adabelief_with_other_constants(k):
    """What LM with c = 0 does at a steady loss: k² ε, k L2, and nothing else."""
    with jax.enable_x64(True):
        divided = trained(belief("mean_scale", 1 / k))
        assert distance(divided, trained(belief("eps_l2", 1 / k))) < 1e-12
        for arm in ("base", "eps", "l2"):
            assert distance(divided, trained(belief(arm, 1 / k))) > 1e-9, arm


def test_lm_at_a_steady_loss_divides_by_the_loss_plus_one():
    with jax.enable_x64(True):
        steady = belief("lm_c0")
        same = optax.GradientTransformationExtraArgs(
            steady.init,
            lambda g, s, p, value: steady.update(g, s, p, value=jnp.asarray(4.0)),
        )
        assert distance(trained(same), trained(belief("eps_l2", 1 / 5))) < 1e-12


def test_adabelief_is_that_of_its_authors_code():
    """Clipped gradients, L2, and an ε that is added to the moment at each step."""
    params, noise, _ = problem()
    m = {name: np.zeros_like(x) for name, x in params.items()}
    s = {name: np.zeros_like(x) for name, x in params.items()}
    with jax.enable_x64(True):
        path = trained(belief("base"))
    for t, (drawn, expected) in enumerate(zip(noise, path), start=1):
        grads = {k: x + 0.1 * params[k] for k, x in drawn.items()}
        norm = np.sqrt(sum((x**2).sum() for x in grads.values()))
        for k in params:
            g = grads[k] * min(1, 0.25 / norm) + 1.2e-6 * params[k]
            m[k] = 0.9 * m[k] + 0.1 * g
            s[k] = 0.999 * s[k] + 0.001 * (g - m[k]) ** 2 + 1e-12
            root = np.sqrt(s[k]) / np.sqrt(1 - 0.999**t) + 1e-12
            params[k] = params[k] - RATE / (1 - 0.9**t) * m[k] / root
            np.testing.assert_allclose(expected[k], params[k], rtol=1e-9)


def adamw(rate=RATE):
    return optax.adamw(rate, b1=0.9, b2=0.95, weight_decay=0.1)


def cosine():
    return optax.join_schedules(
        [
            optax.linear_schedule(RATE / WARMUP, RATE, WARMUP - 1),
            optax.cosine_decay_schedule(RATE, STEPS - WARMUP),
        ],
        [WARMUP],
    )


def warmup():
    return optax.linear_schedule(RATE / WARMUP, RATE, WARMUP - 1)


OPTAX = {
    "base": lambda: optax.with_extra_args_support(adamw()),
    "lm": lambda: optax.chain(lm.landscape_modify(), adamw()),
    "lm_after": lambda: optax.chain(adamw(), lm.landscape_modify()),
    "mean_after": lambda: optax.chain(adamw(), optax.scale(0.5)),
    "clip": lambda: optax.chain(optax.clip_by_global_norm(1.0), adamw()),
    "clip_03": lambda: optax.chain(optax.clip_by_global_norm(0.3), adamw()),
    "update_clip": lambda: optax.chain(
        rivals.clip_updates(optax.scale_by_adam(b2=0.95), b2=0.95),
        optax.add_decayed_weights(0.1),
        optax.scale_by_learning_rate(RATE),
    ),
    "warmup": lambda: optax.with_extra_args_support(adamw(warmup())),
    "warmup_cosine": lambda: optax.with_extra_args_support(adamw(cosine())),
    "lm_after_warmup": lambda: optax.chain(adamw(warmup()), lm.landscape_modify()),
}


@pytest.fixture(scope="module")
def plain():
    return trained(OPTAX["base"](), np.float32)


@pytest.mark.parametrize("arm", sorted(OPTAX))
def test_an_arm_with_adamw_is_optax(arm, plain):
    ours = trained(arms.create("adamw", arm, RATE, STEPS, WARMUP, 0.5), np.float32)
    assert distance(ours, trained(OPTAX[arm](), np.float32)) < 1e-5
    assert (distance(ours, plain) > 1e-3) == (arm != "base")


def test_every_arm_of_the_plan_is_an_arm_and_is_tested():
    planned = {(x, arm) for _, x, names in PLAN for arm in names}
    assert {arm for _, arm in planned} == set(arms.ARMS)
    assert {arm for x, arm in planned if x == "adamw"} == {*OPTAX, "clip_3"}
    for optimizer, arm in planned:
        needed = arms.OPTIMIZERS[optimizer].source
        assert not arms.ARMS[arm].replays or arms.ARMS[needed].has_scale
