"""Integers are taken for the numbers that they are, beyond int32 too."""

import jax
import numpy as np
import pytest

import landmod_jax as lm

pytestmark = pytest.mark.promotes

BIG = 3_000_000_000  # beyond int32, in which it would be -1,294,967,296


@pytest.mark.parametrize("number", [np.int64, np.uint32, int])
def test_losses_and_numbers_among_the_arguments(number):
    tx = lm.landscape_modify()
    _, state = tx.update(1.0, tx.init(0.0), value=number(BIG))
    assert state.c == np.float32(BIG)
    for threshold, eps in (
        (lm.constant(number(BIG)), 1.0),
        (None, number(BIG)),
        (None, lambda step: number(BIG)),
    ):
        tx = lm.landscape_modify(eps=eps, threshold=threshold)
        _, state = tx.update(1.0, tx.init(None), value=1.0)
        np.testing.assert_allclose(max(state.c, 1 / state.scale), BIG, rtol=1e-6)


@pytest.mark.parametrize("x64", [False, True])
def test_arrays_of_the_landscape(x64):
    u = np.array([BIG, 2 * BIG])
    with jax.enable_x64(x64):
        for losses in (u, list(u), tuple(map(int, u))):
            h = lm.landscape(losses, 0.0, u_min=0)
            np.testing.assert_allclose(h, np.log1p(u), rtol=1e-6)
        assert h.dtype == jax.dtypes.canonicalize_dtype(float)
        h = lm.landscape(2.0, c=9.0, eps=np.int64(BIG), u_min=np.array(0))
        np.testing.assert_allclose(h, 2 / BIG, rtol=1e-6)
    assert lm.critical_height(np.array([0, BIG, 1])) == BIG - 1
