"""What LM does ahead of each kind of optimizer, and that it scales each from behind.

Norms of steps with LM over those without; at a loss of 4 and a threshold of 1 the scale
is 1/4. A table in docs/compatibility.md states the groups.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

pytestmark = pytest.mark.promotes

START = {"w": jnp.full((3, 3), 3.0) + jnp.eye(3), "b": jnp.arange(1.0, 4.0)}
CONSTANT, CHANGING = [4.0] * 4, [4.0, 1.0, 9.0, 2.5]
contrib = optax.contrib

SCALED = {
    "sgd": lambda: optax.sgd(0.1, 0.9),
    "noisy_sgd": lambda: optax.noisy_sgd(0.1, eta=0.0, key=0),
    "optimistic_gradient_descent": lambda: optax.optimistic_gradient_descent(0.1),
}
CANCELS_IF_CONSTANT = {
    "adam": lambda: optax.adam(0.1),
    "adamax": lambda: optax.adamax(0.1),
    "adafactor": lambda: optax.adafactor(0.1),
    "rmsprop": lambda: optax.rmsprop(0.1),
    "lamb": lambda: optax.lamb(0.1),
    "lion": lambda: optax.lion(0.1),
    "novograd": lambda: optax.novograd(0.1),
    "sm3": lambda: optax.sm3(0.1),
    "muon": lambda: contrib.muon(0.1),
    "prodigy": lambda: contrib.prodigy(0.1),
    "dog": lambda: contrib.dog(1.0),
}
NO_EFFECT = {
    "sign_sgd": lambda: optax.sign_sgd(0.1),
    "rprop": lambda: optax.rprop(0.1),
    "lars": lambda: optax.lars(0.1),
    "fromage": lambda: optax.fromage(0.1),
    "contrib.normalize": lambda: optax.chain(contrib.normalize(), optax.sgd(0.1)),
}
INVERTED = {
    "polyak_sgd": lambda: optax.polyak_sgd(100.0),
    "contrib.momo": lambda: contrib.momo(100.0),
    "contrib.momo_adam": lambda: contrib.momo_adam(100.0),
}


def steps(tx, losses):
    """The updates, flattened, of each step."""
    tx = optax.with_extra_args_support(tx)

    @jax.jit
    def run():
        state, rows = tx.init(START), []
        for i, loss in enumerate(losses):
            grads = jax.tree.map(lambda p, i=i: jnp.sin(p * (i + 1)), START)
            updates, state = tx.update(grads, state, START, value=loss)
            rows.append(jnp.concatenate([u.ravel() for u in jax.tree.leaves(updates)]))
        return jnp.stack(rows)

    return np.asarray(run())


def plain_and_modified(make, losses, behind=False):
    ours = lm.landscape_modify(threshold=lm.constant(1.0))
    chain = (make(), ours) if behind else (ours, make())
    return steps(make(), losses), steps(optax.chain(*chain), losses)


@pytest.mark.parametrize("name", SCALED)
def test_a_linear_optimizer_is_scaled(name):
    plain, modified = plain_and_modified(SCALED[name], CONSTANT)
    np.testing.assert_allclose(modified, plain / 4, rtol=1e-5)


@pytest.mark.parametrize("name", CANCELS_IF_CONSTANT)
def test_a_constant_scale_cancels_and_its_changes_act(name):
    plain, modified = plain_and_modified(CANCELS_IF_CONSTANT[name], CONSTANT)
    np.testing.assert_allclose(modified, plain, rtol=2e-2, atol=1e-4)
    plain, modified = plain_and_modified(CANCELS_IF_CONSTANT[name], CHANGING)
    assert np.abs(modified - plain).max() > 1e-2 * np.abs(plain).max()


@pytest.mark.parametrize("name", NO_EFFECT)
def test_an_optimizer_without_scale_sees_nothing(name):
    plain, modified = plain_and_modified(NO_EFFECT[name], CHANGING)
    np.testing.assert_allclose(modified, plain, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", INVERTED)
def test_an_optimizer_that_divides_the_loss_by_the_gradient_inverts_it(name):
    plain, modified = plain_and_modified(INVERTED[name], CONSTANT)
    np.testing.assert_allclose(modified[0], 4 * plain[0], rtol=1e-5)


BEHIND = {**SCALED, **NO_EFFECT, **INVERTED, "adam": CANCELS_IF_CONSTANT["adam"]}


@pytest.mark.parametrize("name", BEHIND)
def test_behind_any_optimizer_the_step_is_scaled(name):
    plain, modified = plain_and_modified(BEHIND[name], CHANGING, behind=True)
    scales = 1 / np.array([4.0, 1.0, 9.0, 2.5])[:, None]
    np.testing.assert_allclose(modified, scales * plain, rtol=1e-5)


def test_the_documentation_names_each_group():
    docs = Path(__file__).parents[2] / "docs" / "compatibility.md"
    rows = [
        line for line in docs.read_text(encoding="utf-8").splitlines() if "|" in line
    ]
    for group in (SCALED, CANCELS_IF_CONSTANT, NO_EFFECT, INVERTED):
        assert any(all(f"`{name}`" in row for name in group) for row in rows), [*group]
