"""2×2 max pooling by slices: fast on CPUs, and on GPUs less memory is read and written.

XLA's own gradient on a GPU is a scatter, which no other operation fuses with.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.cpu.reverse import reverse_only


def max_pool(x: jax.Array) -> jax.Array:
    """The maximum of each 2×2 window; a last odd row or column is left out.

    Args:
      x: (b, h, w, c).

    Returns:
      (b, h // 2, w // 2, c). Its gradient goes to the first maximum of a window, row by
      row, as in PyTorch and in XLA; reverse mode only.
    """
    return _max_pool(*reverse_only(x))


@jax.custom_vjp
def _max_pool(x):
    a, b, c, d = _corners(x)
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))


def _forward(x):
    y = max_pool(x)
    return y, (x, y)


def _backward(saved, g):
    x, y = saved
    return (_to_first(x, y, g),)


_max_pool.defvjp(_forward, _backward)


def native(x):
    """XLA's own, for comparison."""
    return nn.max_pool(x, (2, 2), (2, 2))


def _corners(x):
    rows, columns = x.shape[1] // 2, x.shape[2] // 2
    x = x[:, : 2 * rows, : 2 * columns]
    x = x.reshape(x.shape[0], rows, 2, columns, 2, x.shape[3])
    return [x[:, :, p, :, q] for p in range(2) for q in range(2)]


def _to_first(x, y, g):
    grads, taken = [], jnp.zeros(y.shape, bool)
    for corner in _corners(x):
        here = (corner == y) & ~taken
        taken |= here
        grads.append(jnp.where(here, g, 0))
    rows = [jnp.stack(grads[p : p + 2], axis=3) for p in (0, 2)]
    b, height, width, c = x.shape
    whole = jnp.stack(rows, axis=2)
    whole = whole.reshape(b, height // 2 * 2, width // 2 * 2, c)
    return jnp.pad(whole, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
