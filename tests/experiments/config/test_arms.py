"""Each arm against what it says it is, by hand, and each record's completeness."""

import dataclasses
import inspect

import jax.numpy as jnp
import numpy as np
import optax.contrib
import pytest

import landmod_jax as lm
from experiments.config.arms import ARMS, BASE, PARAMETERS
from experiments.config.optimizers import OPTIMIZERS
from experiments.config.run import RunConfig
from experiments.errors import UserError

DEFAULTS = {f.name: f.default for f in dataclasses.fields(RunConfig)}
LOSSES = (3.0, 1.0, 2.0, 5.0)
GRADIENT = jnp.array([3.0, -4.0])


def updates_of(arm, optimizer="sgd", rate=0.1, **chosen):
    parameters = {name: DEFAULTS[name] for name in ARMS[arm].parameters} | chosen
    tx = ARMS[arm].create(OPTIMIZERS[optimizer], rate, parameters, steps=len(LOSSES))
    params = jnp.zeros(2)
    state, seen = tx.init(params), []
    for loss in LOSSES:
        updates, state = tx.update(GRADIENT, state, params, value=loss)
        seen.append(np.asarray(updates))
    return np.array(seen), state


@pytest.mark.parametrize(
    ("arm", "chosen", "factors"),
    [
        ("lm", {}, [1, 1, 1 / 2, 1 / 5]),  # above c = 3, 1, 1, 1
        ("lm", {"c": 2.0}, [1 / 2, 1, 1, 1 / 4]),
        (
            "lm",
            {"threshold": "windowed_min(2)"},
            [1, 1, 1 / 2, 1 / 4],
        ),  # c = 3, 1, 1, 2
        ("lm", {"f": "quadratic", "eps": 0.5}, [2, 2, 1 / 1.5, 1 / 16.5]),
        ("lm_c0", {"eps": 0.5}, [1 / (loss + 0.5) for loss in LOSSES]),
        # The gradient's norm is 5, which LM takes to 5, 5, 2.5 and 1.
        ("clip", {"clip_norm": 0.5}, [0.1] * 4),
        ("clip", {"clip_norm": 5.5}, [1] * 4),
        ("lm_clip", {"clip_norm": 2.0}, [n / 5 for n in (2, 2, 2, 1)]),
        ("warmup", {"warmup_steps": 3}, [1 / 3, 2 / 3, 1, 1]),
        ("cosine", {}, 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4))),
        # loss / |g|² is 0.12, 0.04, 0.08 and 0.2; the cap 1.5 · 0.1.
        ("polyak", {"step_cap": 1.5}, [1.2, 0.4, 0.8, 1.5]),
    ],
)
def test_an_arm_multiplies_the_plain_step_as_by_hand(arm, chosen, factors):
    updates, state = updates_of(arm, **chosen)
    expected = [-0.1 * factor * np.asarray(GRADIENT) for factor in factors]
    np.testing.assert_allclose(updates, expected, rtol=1e-5)
    c, scale = ARMS[arm].seen(state)
    if arm in ("lm", "lm_c0"):
        assert scale == pytest.approx(factors[-1])
        assert c == (lm.current(state).c if arm == "lm" else 0)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_lm_after_scales_the_optimizers_updates(optimizer):
    plain, _ = updates_of("base", optimizer)
    updates, state = updates_of("lm_after", optimizer)
    scales = np.array([1, 1, 1 / 2, 1 / 5])[:, None]
    np.testing.assert_allclose(updates, scales * plain, rtol=1e-6)
    assert ARMS["lm_after"].seen(state)[1] == pytest.approx(1 / 5)


@pytest.mark.parametrize("arm", ["momo", "polyak"])
def test_a_loss_at_its_lower_bound_is_no_step(arm):
    parameters = {"step_cap": 10.0}
    tx = ARMS[arm].create(OPTIMIZERS["sgd"], 0.1, parameters, steps=1, momentum=0.9)
    params = jnp.zeros(2)
    updates, _ = tx.update(GRADIENT, tx.init(params), params, value=-1.0)
    np.testing.assert_array_equal(updates, [0, 0])


def test_momo_by_hand():
    """Schaipp et al. (2023), algorithm 1, in NumPy, on a path that moves."""
    beta, cap = 0.9, 0.3
    tx = ARMS["momo"].create(
        OPTIMIZERS["sgd"], 0.1, {"step_cap": 3.0}, steps=4, momentum=beta
    )
    x = np.array([1.0, 2.0])
    gradients = [np.array(g, float) for g in ([3, -4], [1, 1], [0, 2], [-5, 0.5])]
    state, params = tx.init(jnp.asarray(x)), jnp.asarray(x)
    d = f_bar = gamma = None
    for loss, g in zip(LOSSES, gradients, strict=True):
        if d is None:
            d, f_bar, gamma = g, loss, g @ x
        else:
            d = beta * d + (1 - beta) * g
            f_bar = beta * f_bar + (1 - beta) * loss
            gamma = beta * gamma + (1 - beta) * g @ x
        tau = min(cap, max(f_bar + d @ x - gamma, 0) / (d @ d))
        x = x - tau * d
        updates, state = tx.update(jnp.asarray(g), state, params, value=loss)
        params = params + updates
        np.testing.assert_allclose(params, x, rtol=1e-5)


def test_momo_of_adam_is_optaxs():
    updates, _ = updates_of("momo", "adam", rate=0.01)
    tx = optax.contrib.momo_adam(0.1)
    params = jnp.zeros(2)
    state = tx.init(params)
    for mine, loss in zip(updates, LOSSES, strict=True):
        theirs, state = tx.update(GRADIENT, state, params, value=loss)
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", sorted(ARMS))
def test_an_arms_parameters_are_fields_of_a_run_and_what_it_takes(name):
    arm = ARMS[name]
    assert set(arm.parameters) <= set(DEFAULTS)
    around = arm.ahead if arm.after is BASE.after else arm.after
    for make in arm.instead.values() or [arm.schedule or around]:
        takes = inspect.signature(make).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
            every = {"steps", "axis_name", "learning_rate", "momentum"}
            assert set(takes) - every == set(arm.parameters)
    assert set(arm.instead) <= set(OPTIMIZERS)


def test_names_labels_and_colors_tell_arms_apart():
    for field in ("name", "label", "color"):
        assert len({getattr(arm, field) for arm in ARMS.values()}) == len(ARMS)
    assert set().union(*(arm.parameters for arm in ARMS.values())) == PARAMETERS


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_an_optimizer_record_makes_torchs_optimizer(optimizer):
    updates, _ = updates_of("base", optimizer)
    tx = getattr(lm.torch_optim, optimizer)(0.1)
    params = jnp.zeros(2)
    state = tx.init(params)
    for mine in updates:
        theirs, state = tx.update(GRADIENT, state, params)
        np.testing.assert_array_equal(mine, theirs)


def test_what_the_library_refuses_is_a_users_error():
    with pytest.raises(UserError, match="eps"):
        updates_of("lm", eps=-1.0)
