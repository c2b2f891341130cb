"""Integers are taken for the numbers that they are, beyond int32 too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm

pytestmark = pytest.mark.promotes

BIG = 3_000_000_000  # beyond int32, in which it would be -1,294,967,296

as_numbers = pytest.mark.parametrize(
    "number",
    [np.int64, np.uint64, int, np.array, np.uint32],
    ids=["int64", "uint64", "int", "array", "uint32"],
)


@as_numbers
@pytest.mark.parametrize("x64", [False, True])
def test_a_loss(number, x64):
    with jax.enable_x64(x64):
        tx = lm.landscape_modify()
        _, state = tx.update(1.0, tx.init(0.0), value=number(BIG))
        assert state.c == np.float32(BIG)
        tx = lm.accumulate(tx, 2)
        state = tx.init(0.0)
        for value in (BIG, 2 * BIG):
            _, state = tx.update(jnp.float32(1), state, value=number(value % 2**32))
        assert lm.current(state).c == np.mean([BIG, 2 * BIG % 2**32], dtype=np.float32)


@as_numbers
def test_numbers_among_the_arguments(number):
    for threshold, eps in ((lm.constant(number(BIG)), 1.0), (None, number(BIG))):
        tx = lm.landscape_modify(eps=eps, threshold=threshold)
        _, state = tx.update(1.0, tx.init(None), value=1.0)
        np.testing.assert_allclose(max(state.c, 1 / state.scale), BIG, rtol=1e-6)
    tx = lm.landscape_modify(eps=lambda step: number(BIG))
    _, state = tx.update(1.0, tx.init(None), value=1.0)
    np.testing.assert_allclose(state.scale, 1 / BIG, rtol=1e-6)
    np.testing.assert_allclose(
        lm.bounded(number(BIG))(jnp.float32(1e9)), BIG, rtol=1e-6
    )


@pytest.mark.parametrize("x64", [False, True])
def test_arrays_of_the_landscape(x64):
    u = np.array([BIG, 2 * BIG])
    with jax.enable_x64(x64):
        for losses in (u, list(u), tuple(map(int, u))):
            h = lm.landscape(losses, 0.0, u_min=0)
            np.testing.assert_allclose(h, np.log1p(u), rtol=1e-6)
        assert h.dtype == jax.dtypes.canonicalize_dtype(float)
        h = lm.landscape(4e9, c=u[:1][0], u_min=u[0])
        np.testing.assert_allclose(h, np.log1p(4e9 - BIG), rtol=1e-6)
        h = lm.landscape(2.0, c=9.0, eps=np.int64(BIG), u_min=np.array(0))
        np.testing.assert_allclose(h, 2 / BIG, rtol=1e-6)
        np.testing.assert_allclose(lm.power(2)(np.int64(BIG)), BIG**2, rtol=1e-6)
    assert lm.critical_height(np.array([0, BIG, 1])) == BIG - 1
