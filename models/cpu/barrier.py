"""What XLA:CPU must not fuse."""

import functools
import operator

import jax

# Before 0.12 XLA:CPU drops optimization barriers before it fuses.
BARRIERS_HOLD = jax.__version_info__ >= (0, 12)


@jax.custom_vjp
def barrier(x: jax.Array) -> jax.Array:
    """x, computed once and written out, for whatever uses it; its gradient as well.

    XLA computes elementwise arithmetic again inside everything that uses it, which on a
    CPU can be dear: for each of many uses, or in an order that suits a transposition.
    """
    return _written_out(x)


def _written_out(x):
    if BARRIERS_HOLD:
        return jax.lax.optimization_barrier(x)
    # A loop that never runs, as 0·a > 1 for no a, which XLA does not know. Nothing is
    # fused across a loop, and an array that passes through one is not copied.
    return jax.lax.while_loop(
        lambda x: 0 * x.reshape(-1)[:1].sum() > 1, functools.partial(operator.mul, 2), x
    )


barrier.defvjp(lambda x: (barrier(x), None), lambda _, g: (barrier(g),))
