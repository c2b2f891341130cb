"""What arguments may be, and what the errors say of those that may not be."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

pytestmark = pytest.mark.promotes

W, U = jnp.ones(2), (1.0, 2.0)
torch = lm.torch_optim


def updated(value):
    tx = optax.chain(lm.landscape_modify(), optax.sgd(0.1))
    return tx.update(W, tx.init(W), W, value=value)


@pytest.mark.parametrize(
    "x", [0.5, np.float32(0.5), np.array(0.5), jnp.bfloat16(0.5)], ids=type
)
def test_numbers_of_any_kind_are_taken(x):
    of_f = lm.landscape_modify(lm.bounded(x, x), x, threshold=lm.smoothed_min(x))
    of_c = lm.landscape_modify(lm.power(x), threshold=lm.constant(x))
    for tx in (
        optax.chain(of_f, torch.sgd(x, x, x, x)),
        optax.chain(of_c, torch.adam(x, (x, x), x, x)),
        torch.adagrad(x, x, x, x, x),
        torch.rmsprop(x, x, x, x, x),
    ):
        updates, _ = tx.update(W, tx.init(W), W, value=x)
        assert updates.dtype == W.dtype
        assert not jnp.isnan(updates).any()


@pytest.mark.parametrize("n", [3, np.int64(3), jnp.int32(3)], ids=type)
def test_integers_of_any_kind_are_taken(n):
    assert lm.windowed_min(n) == lm.windowed_min(3)
    tx = lm.accumulate(optax.sgd(1.0), n)
    assert (tx.update(W, tx.init(W), W, value=2)[0] == 0).all()


# What no number is, whatever its range.
NEVER = [
    True, np.True_, "1", 1j, object(), [0.5], None, jnp.ones(2), np.array("a"),
    np.zeros((), jax.dtypes.float0), jax.random.key(0), math.nan,
]  # fmt: skip
OF_NUMBERS = {
    "eps": lambda v: lm.landscape_modify(eps=v),
    "p": lm.power,
    "c": lm.constant,
    "n": lm.windowed_min,
    "every": lambda v: lm.accumulate(optax.sgd(1.0), v),
    "value": updated,
}


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_what_is_no_number_is_named(name):
    for value in NEVER:
        if name == "value" and value is math.nan:  # a loss may be
            continue
        with pytest.raises(ValueError, match=rf"\b{name}\b|needs the loss") as error:
            OF_NUMBERS[name](value)
        assert len(str(error.value)) < 600


NO_ARRAYS = (None, True, "a", 1j, {}, [[1.0], [2.0, 3.0]], [], np.zeros((0, 3)))
# Of each argument, what it may not be.
BAD = {
    "eps": [lambda v: lm.landscape_modify(eps=v), -0.5, 0, math.inf, jnp.float32(0)],
    "eps must be finite": [lambda v: lm.landscape(U, 0.5, v), 0, math.inf, [1.0, 0.0]],
    "p": [lm.power, -0.5, 0, math.inf],
    "bound": [lm.bounded, 0, math.inf],
    "width": [lambda v: lm.bounded(1, v), 0, 1e-50],
    "decay": [lm.smoothed_min, -0.5, 1],
    "n": [lm.windowed_min, 0, 2.0, 2**31, jnp.float32(2)],
    "every": [lambda v: lm.accumulate(optax.sgd(1.0), v), 0, 2.0],
    "lr": [torch.sgd, -0.5, math.inf, None],
    "momentum": [lambda v: torch.sgd(momentum=v), -0.5],
    "dampening": [lambda v: torch.sgd(momentum=0.5, dampening=v), math.inf],
    "weight_decay": [lambda v: torch.adam(weight_decay=v), -0.5],
    "betas[1]": [lambda v: torch.adam(betas=(0.9, v)), 1.0, None],
    "lr_decay": [lambda v: torch.adagrad(lr_decay=v), -0.5],
    "alpha": [lambda v: torch.rmsprop(alpha=v), 1],
    "nesterov": [lambda v: torch.sgd(momentum=0.9, nesterov=v), 1, None],
    "logarithm": [lambda v: lm.landscape(U, 0.5, logarithm=v), 1, None],
    "u": [lambda v: lm.landscape(v, 0.5), *NO_ARRAYS],
    "u_min": [lambda v: lm.landscape(U, 0.5, u_min=v), np.zeros(3), "a"],
    "f": [
        lambda v: lm.landscape_modify(v),
        None, 3, len, W, lambda u: -u, lambda u: u if u > 0 else 0.0,
    ],
    "integral": [
        lambda v: lm.landscape_modify(lm.Shape("x", lambda u: u, v)),
        3, lambda u: u, lambda u, eps: jnp.stack([u, u]),
    ],
    "threshold": [lambda v: lm.landscape_modify(threshold=v), "running_min"],
    "axis_name": [lambda v: lm.population(axis_name=v), None, 0, (), ("i", 0)],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_argument_is_named(name):
    call, *values = BAD[name]
    for value in values:
        with pytest.raises(ValueError, match=r"must|needs") as error:
            call(value)
        assert name in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lm.landscape_modify("linaer"), r"did you mean 'linear'\?.*'linaer'"),
        (lambda: lm.landscape_modify(lambda u: W), "f must return a real scalar for"),
        (lambda: lm.landscape_modify(jnp.sin), r"least 0; sin\(5.0\) is -0.9"),
        (lambda: lm.landscape_modify(eps="1"), "greater than 0, or a schedule .*'1'"),
        (lambda: lm.landscape_modify(threshold=0.5), r"threshold=constant\(0.5\)"),
        (lambda: lm.landscape_modify(threshold=lm.running_min), r"running_min\(\)$"),
        (lambda: lm.smoothed_min(1.0), r"decay must be .* in \[0, 1\); got 1.0"),
        (lambda: lm.Threshold(1, 2), "threshold.init must be a function of 1 argument"),
        (lambda: lm.Threshold(len, 2), "threshold.update must be a function of 2 arg"),
        (lambda: lm.Shape(1, len), "name must be a string, got 1"),
        (lambda: lm.accumulate(lm.landscape_modify, 2), r"tx=landscape_modify\(\)"),
        (lambda: lm.critical_height([0.0, math.nan]), "grid of finite values"),
        (lambda: jax.jit(lm.critical_height)(W), "call it outside of jit"),
        (lambda: torch.sgd(0.1, nesterov=True), "needs a momentum greater"),
        (lambda: torch.sgd(0.1, 0.9, 0.5, nesterov=True), "no dampening"),
        (lambda: updated(None), r"tx\.update\(grads, state, params, value=loss\)"),
        (lambda: updated(jnp.ones(3)), r"got shape \(3,\).*loss\.mean\(\)"),
        (lambda: updated((1.0, {"aux": 2})), "got a tuple of 2: with has_aux=True"),
    ],
)
def test_an_error_says_what_to_write(call, message):
    with pytest.raises(ValueError, match=message):
        call()
