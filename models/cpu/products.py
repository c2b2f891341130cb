"""Products of tall matrices, in forms that XLA:CPU runs fast."""

import jax

# At this width, multiplying a transposed copy is faster; from jax 0.12 on, at none.
COPIED_WIDTH = 16 if jax.__version_info__ < (0, 12) else None


@jax.custom_vjp
def rows_times(rows: jax.Array, matrix: jax.Array) -> jax.Array:
    """The product of many rows, (n, a), and a small matrix, (a, b)."""
    return rows @ matrix


def _rows_forward(rows, matrix):
    return rows @ matrix, (rows, matrix)


def _rows_backward(saved, g):
    rows, matrix = saved
    return g @ matrix.T, over_rows(rows, g)


rows_times.defvjp(_rows_forward, _rows_backward)


def over_rows(a: jax.Array, b: jax.Array) -> jax.Array:
    """aᵀ b for (n, a) and (n, b), n large.

    XLA:CPU takes up to twice as long with the wider matrix on the left.
    """
    barrier = jax.lax.optimization_barrier
    if a.shape[1] > b.shape[1]:
        # Without the barrier XLA would fold the transposition into the product.
        return barrier(over_rows(b, a)).T
    return (barrier(a.T) if a.shape[1] == COPIED_WIDTH else a.T) @ b
