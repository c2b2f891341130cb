"""max(·, 0) whose gradient reads the result, so that the argument need not be kept.

XLA then fuses it into a GPU's convolution, which writes one array instead of two.
"""

import jax
import jax.numpy as jnp


@jax.custom_vjp
def relu_from_result(x: jax.Array) -> jax.Array:
    """max(x, 0), of any shape, in reverse mode only; its gradient at 0 is 0."""
    return jnp.maximum(x, 0)


def _forward(x):
    y = relu_from_result(x)
    return y, y


def _backward(y, g):
    # XLA would turn y > 0 into x > 0, and keep x.
    return (jnp.where(y == 0, 0, g),)


relu_from_result.defvjp(_forward, _backward)
