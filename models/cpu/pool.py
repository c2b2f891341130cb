"""2×2 max pooling by slices: fast on CPUs, and with less memory traffic on GPUs.

XLA's own gradient on a GPU is a scatter, which does not fuse with other operations.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp


@jax.custom_vjp
def max_pool(x: jax.Array) -> jax.Array:
    """The maximum of each 2×2 window; a last odd row or column is left out.

    Args:
      x: (b, h, w, c).

    Returns:
      (b, h // 2, w // 2, c). Its gradient goes to the first maximum of a window, row by
      row, as in PyTorch and in XLA; reverse mode only.
    """
    a, b, c, d = _corners(x)
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))


def _forward(x):
    y = max_pool(x)
    y, first = jax.lax.platform_dependent(
        x, y, cpu=lambda x, y: (y, _no_numbers(y)), default=_with_numbers
    )
    return y, (x, y, first)


def _backward(saved, g):
    def to_first(x, y, first, g):
        return _to_corners([first == n for n in range(4)], x, g)

    # A CPU repeats the comparison, which is faster than storing the corners.
    return (jax.lax.platform_dependent(*saved, g, cpu=_compared, default=to_first),)


max_pool.defvjp(_forward, _backward)


def native(x):
    """XLA's own, for comparison."""
    return nn.max_pool(x, (2, 2), (2, 2))


def _corners(x):
    rows, columns = x.shape[1] // 2, x.shape[2] // 2
    x = x[:, : 2 * rows, : 2 * columns]
    x = x.reshape(x.shape[0], rows, 2, columns, 2, x.shape[3])
    return [x[:, :, p, :, q] for p in range(2) for q in range(2)]


def _with_numbers(x, y):
    """y, and the corner (0 to 3) of each window's first maximum, one byte each."""
    found = jnp.full_like(_no_numbers(y), 4)  # of NaN
    for number, corner in reversed(list(enumerate(_corners(x)))):
        found = jnp.where(corner == y, jnp.uint8(number), found)
    # Both now. Otherwise XLA rereads x, four to sixteen times as large, for the
    # gradient.
    return jax.lax.optimization_barrier((y, found))


def _no_numbers(y):
    return jnp.zeros(y.shape, jnp.uint8)


def _compared(x, y, _, g):
    heres, taken = [], jnp.zeros(y.shape, bool)
    for corner in _corners(x):
        heres.append((corner == y) & ~taken)
        taken |= heres[-1]
    return _to_corners(heres, x, g)


def _to_corners(heres, x, g):
    grads = [jnp.where(here, g, 0) for here in heres]
    rows = [jnp.stack(grads[p : p + 2], axis=3) for p in (0, 2)]
    b, height, width, c = x.shape
    whole = jnp.stack(rows, axis=2)
    whole = whole.reshape(b, height // 2 * 2, width // 2 * 2, c)
    return jnp.pad(whole, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
