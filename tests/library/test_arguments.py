"""What arguments may be, and what the errors say of those that may not be."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

pytestmark = pytest.mark.promotes

W = jnp.ones(2)


def step(tx):
    """One step, so that what is accepted has to work."""
    updates, _ = tx.update(W, tx.init(W), W, value=2.0)
    assert updates.dtype == W.dtype
    assert not jnp.isnan(updates).any()


def modify(**kwargs):
    step(lm.landscape_modify(**kwargs))


def optimize(name, **kwargs):
    step(optax.chain(lm.landscape_modify(), getattr(lm.torch_optim, name)(**kwargs)))


def updated(value):
    tx = optax.chain(lm.landscape_modify(), optax.sgd(0.1))
    return tx.update(W, tx.init(W), W, value=value)


REALS = [
    *(0.5, np.float32(0.5), np.float64(0.5), np.array(0.5)),
    *(jnp.float32(0.5), jnp.bfloat16(0.5)),
]
NEVER = [
    *(True, np.True_, "1", 1j, object(), [0.5], {}, np.ones(2), jnp.ones(2)),
    *(np.array("a"), np.zeros((), jax.dtypes.float0), jax.random.key(0), math.nan),
]
NEGATIVE = [-0.5, np.float32(-0.5), jnp.float32(-0.5), -math.inf]
INTEGERS = [1, 3, np.int64(2), np.array(3), jnp.int32(2)]
NO_INTEGERS = [*NEVER, None, 0, -1, 2.0, 2**31, np.float32(2), jnp.float32(2)]
SCHEDULES = [lambda step: 0.5 / (step + 1), optax.constant_schedule(0.5)]
NO_ARRAYS = [None, True, "a", 1j, [1j], object(), {}, [[1.0], [2.0, 3.0]]]
U = (1.0, 2.0)

# argument: call, what it accepts and what it refuses besides REALS and NEVER
NUMBERS = {
    "eps": (
        lambda v: modify(eps=v),
        [1, 1e-50, *SCHEDULES],
        [*NEGATIVE, 0, 0.0, math.inf, None],
    ),
    "p": (lambda v: modify(f=lm.power(v)), [1, 2, 2.5], [*NEGATIVE, 0, math.inf, None]),
    "bound": (lambda v: modify(f=lm.bounded(v)), [1], [*NEGATIVE, 0, math.inf, None]),
    "width": (lambda v: modify(f=lm.bounded(1, v)), [1], [*NEGATIVE, 0, 1e-50, None]),
    "c": (
        lambda v: modify(threshold=lm.constant(v)),
        [0, -3, math.inf, *NEGATIVE],
        [None],
    ),
    "decay": (
        lambda v: modify(threshold=lm.smoothed_min(v)),
        [0],
        [*NEGATIVE, 1, 1.5, None],
    ),
    "lr": (
        lambda v: optimize("sgd", lr=v),
        [0, 1, *SCHEDULES],
        [*NEGATIVE, math.inf, None],
    ),
    "momentum": (lambda v: optimize("sgd", momentum=v), [None, 0], NEGATIVE),
    "dampening": (
        lambda v: optimize("sgd", momentum=0.5, dampening=v),
        [None, 0],
        [math.inf],
    ),
    "weight_decay": (
        lambda v: optimize("adam", weight_decay=v),
        [0],
        [*NEGATIVE, math.inf, None],
    ),
    "betas[1]": (lambda v: optimize("adam", betas=(0.9, v)), [0], [*NEGATIVE, 1, None]),
    "lr_decay": (lambda v: optimize("adagrad", lr_decay=v), [None, 0], NEGATIVE),
    "initial_accumulator_value": (
        lambda v: optimize("adagrad", initial_accumulator_value=v),
        [0],
        [*NEGATIVE, math.inf, None],
    ),
    "alpha": (lambda v: optimize("rmsprop", alpha=v), [0], [*NEGATIVE, 1, None]),
}
OTHERS = {
    "n": (lambda v: modify(threshold=lm.windowed_min(v)), INTEGERS, NO_INTEGERS),
    "every": (lambda v: step(lm.accumulate(optax.sgd(1.0), v)), INTEGERS, NO_INTEGERS),
    "logarithm": (
        lambda v: lm.landscape(U, 0.5, logarithm=v),
        [True, False, np.True_],
        [1, None, "True", W],
    ),
    "nesterov": (
        lambda v: optimize("sgd", momentum=0.9, nesterov=v),
        [True, False, np.True_],
        [1, None, "True", W],
    ),
    "u": (
        lambda v: lm.landscape(v, 0.5),
        [1, U, [1, 2], range(3), np.int8(3), np.arange(2), jnp.bfloat16([1, 2])],
        [*NO_ARRAYS, [], np.zeros((0, 3))],
    ),
    "u_min": (
        lambda v: lm.landscape(U, 0.5, u_min=v),
        [None, 0, [0.0], np.zeros(2)],
        [*NO_ARRAYS[1:], np.zeros(3), np.zeros((2, 1))],
    ),
    "eps must be finite": (
        lambda v: lm.landscape(U, 0.5, v),
        [1, np.ones(2)],
        [0, -1.0, math.nan, math.inf, [1.0, 0.0]],
    ),
    "value": (
        updated,
        [*REALS, 1, math.nan, math.inf, np.int64(2)],
        [*NEVER[:-1], None, (1.0, {"aux": 2}), np.ones((1, 1))],
    ),
    "f": (
        lambda v: modify(f=v),
        [*lm.SHAPES, *lm.SHAPES.values(), lambda u: 0, lm.Shape("off", lambda u: 0.0)],
        [None, 3, "lineer", len, W, lambda u: -u, lambda u: u if u > 0 else 0.0],
    ),
    "integral": (
        lambda v: modify(f=lm.Shape("x", lambda u: u, v)),
        [None, lambda u, eps: u / eps],
        [3, lambda u: u, lambda u, eps: jnp.stack([u, u])],
    ),
    "threshold": (
        lambda v: modify(threshold=v),
        [None, lm.running_min(), lm.Threshold(lambda dtype: (), lambda s, v: (v, s))],
        [0.5, lm.running_min, "running_min", lm.Threshold(len, max)],
    ),
    "axis_name": (
        lambda v: lm.population(axis_name=v),
        ["i", ("i", "j")],
        [None, 0, (), ("i", 0), W],
    ),
}  # fmt: skip
ARGUMENTS = {
    **{
        name: (call, REALS + accepted, NEVER + refused)
        for name, (call, accepted, refused) in NUMBERS.items()
    },
    **OTHERS,
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_is_accepted_and_works_or_is_named(name):
    call, accepted, refused = ARGUMENTS[name]
    for value in accepted:
        call(value)
    for value in refused:
        with pytest.raises(ValueError, match=r"must|needs") as error:
            call(value)
        assert name in str(error.value)
        assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: lm.landscape_modify("linaer"),
            r"did you mean 'linear'\?.*got 'linaer'",
        ),
        (
            lambda: lm.landscape_modify(True),
            "f must be a function of the height u or one",
        ),
        (lambda: lm.landscape_modify(lambda u: W), "f must return a real scalar for"),
        (
            lambda: lm.landscape_modify(lambda: 1),
            "f must be a function that JAX can trace",
        ),
        (lambda: lm.landscape_modify(jnp.sin), r"least 0; sin\(5.0\) is -0.9"),
        (lambda: lm.landscape_modify(eps=0), "eps must be .* greater than 0.*got 0"),
        (lambda: lm.landscape_modify(eps="1"), "or a schedule .*got '1'"),
        (lambda: lm.landscape_modify(threshold=0.5), r"threshold=constant\(0.5\)"),
        (
            lambda: lm.landscape_modify(threshold=lm.running_min),
            r"threshold=running_min\(\)",
        ),
        (
            lambda: lm.landscape_modify(axis_name=0),
            "axis_name must be the name of a map",
        ),
        (lambda: lm.power(0), "p must be a finite real number greater than 0; got 0"),
        (lambda: lm.bounded(-1.0), "bound must be .*got -1.0"),
        (lambda: lm.constant(math.nan), "c must be a real number; got nan"),
        (lambda: lm.smoothed_min(1.0), r"decay must be .* in \[0, 1\); got 1.0"),
        (lambda: lm.windowed_min(0), "n must be an integer of at least 1, got 0"),
        (lambda: lm.Threshold(1, 2), "threshold.init must be a function of 1 argument"),
        (lambda: lm.Threshold(len, 2), "threshold.update must be a function of 2 arg"),
        (lambda: lm.Threshold(len, max, 3), "threshold.share must be a function"),
        (lambda: lm.Shape(1, len), "name must be a string, got 1"),
        (lambda: lm.accumulate(lm.landscape_modify, 2), r"tx=landscape_modify\(\)"),
        (lambda: lm.landscape(1.0, 0.0, 0.0), "eps must be .* greater than 0, got 0"),
        (lambda: lm.critical_height([0.0, math.nan]), "grid of finite values"),
        (lambda: lm.critical_height([]), "grid of finite values"),
        (lambda: lm.critical_height(1.0), "grid of finite values"),
        (lambda: lm.critical_height(U, None), "c must be a real number"),
        (lambda: jax.jit(lm.critical_height)(W), "call it outside of jit"),
        (
            lambda: lm.torch_optim.sgd(-1.0),
            "lr must be .* of at least 0, or a schedule.*-1.0",
        ),
        (
            lambda: jax.jit(lambda w: lm.torch_optim.sgd(-1.0).init(w))(W),
            "lr must be",
        ),
        (
            lambda: lm.torch_optim.sgd(nesterov=True),
            "nesterov=True needs a momentum great",
        ),
        (
            lambda: lm.torch_optim.sgd(0.1, 0.0, nesterov=True),
            "nesterov=True needs a mom",
        ),
        (
            lambda: lm.torch_optim.sgd(0.1, 0.9, 0.5, nesterov=True),
            "and no dampening",
        ),
        (lambda: lm.torch_optim.adam(betas=(0.9, 1.0)), r"betas\[1\] must .* \[0, 1\)"),
        (lambda: updated(None), r"tx\.update\(grads, state, params, value=loss\)"),
        (lambda: updated(jnp.ones(3)), r"got shape \(3,\).*loss\.mean\(\)"),
        (lambda: updated((1.0, {"aux": 2})), "got a tuple of 2: with has_aux=True"),
        (lambda: updated(1j), "value must be real, the loss; got 1j"),
    ],
)
def test_an_error_says_what_to_write(call, message):
    with pytest.raises(ValueError, match=message):
        call()
