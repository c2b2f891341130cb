"""Winograd's convolution: 3×3 kernels in fewer multiplications, as plain products."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from models.cpu.barrier import barrier


def winograd(x: jax.Array, w: jax.Array, side: int) -> jax.Array:
    """A 3×3 convolution, stride 1, padding 1, as F(m×m, 3×3) of Lavin and Gray (2016).

    Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A for tiles d of (m + 2)² pixels, m apart, which give
    m×m outputs each; ⊙ is summed over the channels, a matrix product for each of its
    (m + 2)² places. In float32, its relative error is about 1e-6. Autodiff gives its
    adjoint, which is as fast.

    Args:
      side: m, 2 or 4.
    """
    bt, g, at = TRANSFORMS[side]
    products = [
        [tiles @ kernel for tiles, kernel in zip(*rows)]
        for rows in zip(_tiles(x, bt), _kernels(w, g))
    ]
    return _untiled(products, at, x.shape[:3])


Grid = Sequence[Sequence[jax.Array]]


def _combine(matrix: np.ndarray, arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """matrix · arrays."""
    return [
        functools.reduce(
            jnp.add, (float(a) * x if a != 1 else x for a, x in zip(row, arrays) if a)
        )
        for row in matrix
    ]


def _both_ways(matrix: np.ndarray, grid: Grid) -> Grid:
    """matrix · grid · matrixᵀ."""
    columns = [_combine(matrix, column) for column in zip(*grid)]
    return [_combine(matrix, row) for row in zip(*columns)]


def _kernels(w: jax.Array, g: np.ndarray) -> Grid:
    """G g Gᵀ, each place (in, out)."""
    n, channels = len(g), w.shape[2:]
    if n == 4:
        return _both_ways(g, [list(row) for row in w])
    # 6×6 places would be a hundred small operations.
    matrix = jnp.asarray(g, w.dtype)
    rows = (matrix @ w.reshape(3, -1)).reshape(n, 3, -1)
    whole = jnp.matmul(matrix, rows).reshape(n, n, *channels)
    return [jnp.unstack(row) for row in jnp.unstack(whole)]


def _once(x: jax.Array, side: int) -> jax.Array:
    # Recomputing it for each use is cheap with 4×4 places but not with 6×6.
    return barrier(x) if side > 2 else x


def _tiles(x: jax.Array, bt: np.ndarray) -> Grid:
    """Bᵀ d B, each place (tiles, channels)."""
    (b, height, width, channels), n = x.shape, len(bt)
    m = n - 2
    rows, columns = -(-height // m), -(-width // m)
    x = jnp.pad(
        x,
        (
            (0, 0),
            (1, m * (rows + 1) - height - 1),
            (1, m * (columns + 1) - width - 1),
            (0, 0),
        ),
    )
    # Pixel (p·m + q, r·m + s) lies at [:, p, q, r, s]: a tile's pixels are slices.
    x = x.reshape(b, rows + 1, m, columns + 1, m, channels)
    starts = [divmod(i, m) for i in range(n)]
    grid = []
    for line in _combine(bt, [x[:, p : p + rows, q] for p, q in starts]):
        line = _once(line, m)
        pixels = [line[:, :, r : r + columns, s] for r, s in starts]
        grid.append([x.reshape(-1, channels) for x in _combine(bt, pixels)])
    return grid


def _untiled(products: Grid, at: np.ndarray, shape: tuple[int, ...]) -> jax.Array:
    """Aᵀ products A with its pixels in their places."""
    (b, height, width), m = shape, len(at)
    rows, columns = -(-height // m), -(-width // m)
    channels = products[0][0].shape[-1]
    lines = [_combine(at, column) for column in zip(*products)]
    y = []
    for line in zip(*lines):
        pixels = _combine(at, [_once(x, m) for x in line])
        y.append(
            jnp.stack([x.reshape(b, rows, columns, channels) for x in pixels], axis=3)
        )
    whole = jnp.stack(y, axis=2).reshape(b, m * rows, m * columns, channels)
    return whole[:, :height, :width]


def _transforms(*points: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bᵀ, G and Aᵀ of Cook and Toom for kernels of 3, with the point at infinity."""
    n = len(points) + 1
    powers = np.vander(points, n, increasing=True)
    gaps = [np.prod([p - q for q in points if q != p]) for p in points]
    last = np.eye(n)[-1]
    at = np.column_stack([powers[:, : n - 2].T, last[-(n - 2) :]])
    g = np.vstack([powers[:, :3] / np.array(gaps)[:, None], last[-3:]])
    # Row k is ∏ (x − q) over the other points; the last row is that over all points.
    bt = np.zeros((n, n))
    for k in range(n):
        roots = [q for i, q in enumerate(points) if i != k]
        polynomial = np.poly(roots)[::-1]
        bt[k, : len(polynomial)] = polynomial
    return bt.round(12), g, at


# Points with small rounding errors: about 1e-6 for both.
TRANSFORMS = {2: _transforms(0, 1, -1), 4: _transforms(0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)}
