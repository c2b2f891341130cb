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


def test_base_is_the_plain_optimizer():
    updates, _ = updates_of("base")
    np.testing.assert_allclose(updates, [-0.1 * GRADIENT] * 4, rtol=1e-6)


@pytest.mark.parametrize(
    ("chosen", "scales"),
    [
        ({}, [1, 1, 1 / 2, 1 / 5]),  # above c = 3, 1, 1, 1
        ({"c": 2.0}, [1 / 2, 1, 1, 1 / 4]),
        ({"threshold": "windowed_min(2)"}, [1, 1, 1 / 2, 1 / 4]),  # c = 3, 1, 1, 2
        ({"f": "quadratic", "eps": 0.5}, [2, 2, 1 / 1.5, 1 / 16.5]),
    ],
)
def test_lm_by_hand(chosen, scales):
    updates, state = updates_of("lm", **chosen)
    expected = [-0.1 * scale * np.asarray(GRADIENT) for scale in scales]
    np.testing.assert_allclose(updates, expected, rtol=1e-6)
    c, scale = ARMS["lm"].seen(state)
    assert scale == pytest.approx(scales[-1])
    assert c == lm.current(state).c


@pytest.mark.parametrize(("norm", "rate"), [(0.5, 0.01), (5.5, 0.1)])
def test_clip_by_hand(norm, rate):
    updates, _ = updates_of("clip", clip_norm=norm)  # the gradient's norm is 5
    np.testing.assert_allclose(updates, [-rate * GRADIENT] * 4, rtol=1e-6)


def test_warmup_rises_in_even_steps_to_the_rate_and_stays():
    updates, _ = updates_of("warmup", warmup_steps=3)
    rates = (0.1 / 3, 0.2 / 3, 0.1, 0.1)
    expected = [-rate * np.asarray(GRADIENT) for rate in rates]
    np.testing.assert_allclose(updates, expected, rtol=1e-6)


def test_lm_with_c_at_0_by_hand():
    updates, state = updates_of("lm_c0", eps=0.5)
    scales = [1 / (loss + 0.5) for loss in LOSSES]
    expected = [-0.1 * scale * np.asarray(GRADIENT) for scale in scales]
    np.testing.assert_allclose(updates, expected, rtol=1e-6)
    assert ARMS["lm_c0"].seen(state)[0] == 0


def test_lm_then_clip_by_hand():
    updates, _ = updates_of("lm_clip", clip_norm=2.0)
    # LM takes the norm of 5 to 5, 5, 2.5 and 1, of which the clip leaves at most 2.
    expected = [-0.1 * n / 5 * np.asarray(GRADIENT) for n in (2, 2, 2, 1)]
    np.testing.assert_allclose(updates, expected, rtol=1e-6)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_lm_after_scales_the_optimizers_updates(optimizer):
    plain, _ = updates_of("base", optimizer)
    updates, state = updates_of("lm_after", optimizer)
    scales = np.array([1, 1, 1 / 2, 1 / 5])[:, None]
    np.testing.assert_allclose(updates, scales * plain, rtol=1e-6)
    assert ARMS["lm_after"].seen(state)[1] == pytest.approx(1 / 5)


def test_cosine_by_hand():
    updates, _ = updates_of("cosine")
    rates = 0.05 * (1 + np.cos(np.pi * np.arange(4) / 4))
    np.testing.assert_allclose(
        updates, [-r * np.asarray(GRADIENT) for r in rates], rtol=1e-5
    )


def test_polyak_by_hand():
    # loss / |g|² with |g| = 5 is 0.12, 0.04, 0.08 and 0.2; the cap 1.5 · 0.1.
    updates, _ = updates_of("polyak", step_cap=1.5)
    expected = [-r * np.asarray(GRADIENT) for r in (0.12, 0.04, 0.08, 0.15)]
    np.testing.assert_allclose(updates, expected, rtol=1e-6)


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
