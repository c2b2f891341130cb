"""A barrier that XLA:CPU does not fuse across."""

import functools
import operator

import jax

# Before jax 0.12, XLA:CPU drops optimization barriers before fusion.
BARRIERS_HOLD = jax.__version_info__ >= (0, 12)


@jax.custom_vjp
def barrier(x: jax.Array) -> jax.Array:
    """x, computed once and written out for all of its users; likewise its gradient.

    XLA recomputes elementwise arithmetic inside every operation that uses it. On a CPU,
    this can be expensive: with many users, or in the order of a transposition.
    """
    return _written_out(x)


def _written_out(x):
    if BARRIERS_HOLD:
        return jax.lax.optimization_barrier(x)
    # A loop that never runs: 0·a > 1 is always false, but XLA cannot tell. Nothing is
    # fused across a loop, and an array passes through it uncopied.
    return jax.lax.while_loop(
        lambda x: 0 * x.reshape(-1)[:1].sum() > 1, functools.partial(operator.mul, 2), x
    )


barrier.defvjp(lambda x: (barrier(x), None), lambda _, g: (barrier(g),))
