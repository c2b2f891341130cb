"""What LM does ahead of each kind of optimizer, and that it scales each from behind.

At a loss of 4 and a threshold of 1, the scale is 1/4. A table in docs/compatibility.md
states the groups.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

import landmod_jax as lm

pytestmark = pytest.mark.promotes

START = {"w": jnp.full((3, 3), 3.0) + jnp.eye(3), "b": jnp.arange(1.0, 4.0)}
CONSTANT, CHANGING = np.float32([[4, 4, 4, 4], [4, 1, 9, 2.5]])
OURS = lm.landscape_modify(threshold=lm.constant(1.0))

SCALED = {
    "sgd": optax.sgd(0.1, 0.9),
    "noisy_sgd": optax.noisy_sgd(0.1, eta=0.0, key=0),
    "optimistic_gradient_descent": optax.optimistic_gradient_descent(0.1),
}
CANCELS_IF_CONSTANT = {
    "adam": optax.adam(0.1),
    "adamax": optax.adamax(0.1),
    "adafactor": optax.adafactor(0.1),
    "rmsprop": optax.rmsprop(0.1),
    "lamb": optax.lamb(0.1),
    "lion": optax.lion(0.1),
    "novograd": optax.novograd(0.1),
    "sm3": optax.sm3(0.1),
    "muon": contrib.muon(0.1),
    "prodigy": contrib.prodigy(0.1),
    "dog": contrib.dog(1.0),
}
NO_EFFECT = {
    "sign_sgd": optax.sign_sgd(0.1),
    "rprop": optax.rprop(0.1),
    "lars": optax.lars(0.1),
    "fromage": optax.fromage(0.1),
    "contrib.normalize": optax.chain(contrib.normalize(), optax.sgd(0.1)),
}
INVERTED = {
    "polyak_sgd": optax.polyak_sgd(100.0),
    "contrib.momo": contrib.momo(100.0),
    "contrib.momo_adam": contrib.momo_adam(100.0),
}
ALL = {**SCALED, **CANCELS_IF_CONSTANT, **NO_EFFECT, **INVERTED}


def steps(*chain):
    """A function of losses that returns the updates of each step, flattened."""
    tx = optax.with_extra_args_support(optax.chain(*chain))

    @jax.jit
    def run(losses):
        def step(state, step_and_loss):
            i, loss = step_and_loss
            grads = jax.tree.map(lambda p: jnp.sin(p * (i + 1)), START)
            updates, state = tx.update(grads, state, START, value=loss)
            leaves = jax.tree.leaves(updates)
            return state, jnp.concatenate([u.ravel() for u in leaves])

        return jax.lax.scan(step, tx.init(START), (jnp.arange(4), losses))[1]

    return run


@pytest.mark.parametrize("name", ALL)
def test_ahead_of_an_optimizer_lm_does_what_its_group_says(name):
    plain, modified = steps(ALL[name]), steps(OURS, ALL[name])
    constant, changing = (
        (np.asarray(plain(losses)), np.asarray(modified(losses)))
        for losses in (CONSTANT, CHANGING)
    )
    if name in SCALED:
        np.testing.assert_allclose(constant[1], constant[0] / 4, rtol=1e-5)
    elif name in CANCELS_IF_CONSTANT:
        np.testing.assert_allclose(constant[1], constant[0], rtol=2e-2, atol=1e-4)
        change = np.abs(changing[1] - changing[0]).max()
        assert change > 1e-2 * np.abs(changing[0]).max()
    elif name in NO_EFFECT:
        np.testing.assert_allclose(changing[1], changing[0], rtol=1e-4, atol=1e-7)
    else:
        np.testing.assert_allclose(constant[1][0], 4 * constant[0][0], rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adam", "lars", "contrib.momo"])
def test_behind_any_optimizer_the_step_is_scaled(name):
    scaled, plain = steps(ALL[name], OURS)(CHANGING), steps(ALL[name])(CHANGING)
    np.testing.assert_allclose(scaled, plain / CHANGING[:, None], rtol=1e-5)


def test_the_documentation_names_each_group():
    docs = Path(__file__).parents[2] / "docs" / "compatibility.md"
    rows = [
        line for line in docs.read_text(encoding="utf-8").splitlines() if "|" in line
    ]
    for group in (SCALED, CANCELS_IF_CONSTANT, NO_EFFECT, INVERTED):
        assert any(all(f"`{name}`" in row for name in group) for row in rows), [*group]
