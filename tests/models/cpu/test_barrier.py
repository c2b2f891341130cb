"""A barrier gives what it is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.cpu import barrier


@pytest.mark.usefixtures("either_xla")
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("first", [1.0, 0.0, np.inf, np.nan])
def test_a_barrier_and_its_gradient_change_nothing(first, dtype):
    """The first number decides whether the loop that never runs would run."""
    x = jnp.array([[first, -np.inf, 3.0]] * 2, dtype)

    def through(x):
        return jax.vjp(barrier.barrier, x)

    for transform in (jax.jit, lambda f: jax.jit(jax.vmap(f))):
        y, g = transform(lambda x: (through(x)[0], through(x)[1](x)[0]))(x)
        for got in (y, g):
            assert got.dtype == dtype
            np.testing.assert_array_equal(np.float32(got), np.float32(x))


def test_a_barrier_stands_between_what_xla_would_fuse():
    """Two uses of a sine, in another order: one sine in the program."""

    def function(x):
        y = barrier.barrier(jnp.sin(x))
        return y.T + 1, y * 2

    text = jax.jit(function).lower(jnp.ones((64, 64))).compile().as_text()
    assert text.count(" sine(") == 1


@pytest.mark.usefixtures("either_xla")
def test_a_barriers_derivative_can_be_differentiated():
    """sin″ = -sin, sin‴ = -cos."""
    derivative = lambda x: jnp.sin(barrier.barrier(x))
    x = jnp.float32(0.7)
    for expected in (jnp.cos(x), -jnp.sin(x), -jnp.cos(x)):
        derivative = jax.grad(derivative)
        np.testing.assert_allclose(derivative(x), expected, rtol=1e-6)
