"""Each arm against what it says it is, by hand, and each record's completeness."""

import dataclasses
import inspect

import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm
from experiments.config.arms import ARMS, PARAMETERS
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
    state, found = tx.init(params), []
    for loss in LOSSES:
        updates, state = tx.update(GRADIENT, state, params, value=loss)
        found.append(np.asarray(updates))
    return np.array(found), state


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


def test_clip_by_hand():
    updates, _ = updates_of("clip", clip_norm=0.5)  # the gradient's norm is 5
    np.testing.assert_allclose(updates, [-0.01 * GRADIENT] * 4, rtol=1e-6)


def test_warmup_by_hand():
    updates, _ = updates_of("warmup", warmup_steps=2)
    expected = [-rate * np.asarray(GRADIENT) for rate in (0.05, 0.1, 0.1, 0.1)]
    np.testing.assert_allclose(updates, expected, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(ARMS))
def test_an_arms_parameters_are_fields_of_a_run_and_what_it_takes(name):
    arm = ARMS[name]
    assert set(arm.parameters) <= set(DEFAULTS)
    takes = inspect.signature(arm.schedule or arm.ahead).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        own = set(takes) - {"steps", "axis_name", "learning_rate"}
        assert own == set(arm.parameters)


def test_names_labels_and_colours_tell_arms_apart():
    for field in ("name", "label", "colour"):
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
