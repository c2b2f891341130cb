"""Convolution, with formulations of the same arithmetic that XLA:CPU runs fast.

Accelerators keep the native convolution. On a CPU XLA's own lowering is slow where
PyTorch's is not: a 1×1 convolution is written as a matrix product, one of few input
channels as patches × matrix, and a wide 3×3 one as Winograd's F(2×2, 3×3), sixteen
matrix products in place of 36 multiplications a tile. docs/performance.md has what
each is worth.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

# Narrower than this, Winograd's transforms cost more than they save.
WINOGRAD_INPUTS, WINOGRAD_OUTPUTS = 32, 64
PATCHES_INPUTS = 4


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(x: jax.Array, w: jax.Array, stride: int, padding: int) -> jax.Array:
    """Cross-correlation with zero padding.

    Args:
      x: (b, h, w, in).
      w: (k, k, in, out), of x's dtype.
      stride: in pixels, both ways.
      padding: zeros on each side, in pixels.

    Returns:
      (b, h', w', out) of x's dtype, h' = (h + 2·padding − k) // stride + 1. It can be
      differentiated once, in reverse.
    """
    return jax.lax.platform_dependent(
        x,
        w,
        cpu=functools.partial(_on_cpu, stride=stride, padding=padding),
        default=functools.partial(native, stride=stride, padding=padding),
    )


def _forward(x, w, stride, padding):
    return conv(x, w, stride, padding), (x, w)


def _backward(stride, padding, saved, g):
    # platform_dependent inside, not around: differentiating it would keep what every
    # platform's version wants to save.
    def pulled_back(formulation, x, w, g):
        function = functools.partial(formulation, stride=stride, padding=padding)
        return jax.vjp(function, x, w)[1](g)

    return jax.lax.platform_dependent(
        *saved,
        g,
        cpu=functools.partial(pulled_back, _on_cpu),
        default=functools.partial(pulled_back, native),
    )


conv.defvjp(_forward, _backward)


def native(x: jax.Array, w: jax.Array, *, stride: int, padding: int) -> jax.Array:
    """XLA's own convolution."""
    return jax.lax.conv_general_dilated(
        x,
        w,
        window_strides=(stride, stride),
        padding=((padding, padding), (padding, padding)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _on_cpu(x: jax.Array, w: jax.Array, *, stride: int, padding: int) -> jax.Array:
    kernel, _, inputs, outputs = w.shape
    if x.dtype != jnp.promote_types(x.dtype, jnp.float32):
        # Half precision is rounded to, not computed in: CPUs are no faster at it.
        wide = _on_cpu(*_wide(x, w), stride=stride, padding=padding)
        return wide.astype(x.dtype)
    if kernel == 1 and padding == 0:
        return pointwise(x, w, stride)
    if inputs < PATCHES_INPUTS:
        return patches(x, w, stride, padding)
    wide_enough = inputs >= WINOGRAD_INPUTS and outputs >= WINOGRAD_OUTPUTS
    if kernel == 3 and stride == 1 and padding == 1 and wide_enough:
        return winograd(x, w)
    return native(x, w, stride=stride, padding=padding)


def _wide(*arrays: jax.Array) -> list[jax.Array]:
    return [array.astype(jnp.float32) for array in arrays]


def pointwise(x: jax.Array, w: jax.Array, stride: int) -> jax.Array:
    """A 1×1 convolution as one matrix product over all pixels."""
    x = x[:, ::stride, ::stride]
    return (x.reshape(-1, x.shape[-1]) @ w[0, 0]).reshape(*x.shape[:-1], w.shape[-1])


def patches(x: jax.Array, w: jax.Array, stride: int, padding: int) -> jax.Array:
    """The k·k·in values under each output pixel, times the kernel as a matrix."""
    k, _, inputs, outputs = w.shape
    b, height, width = x.shape[0], *(_out(n, k, stride, padding) for n in x.shape[1:3])
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = stride * (height - 1) + 1, stride * (width - 1) + 1
    under = [
        x[:, i : i + rows : stride, j : j + columns : stride]
        for i in range(k)
        for j in range(k)
    ]
    matrix = jnp.concatenate(under, axis=-1).reshape(-1, k * k * inputs)
    return (matrix @ w.reshape(-1, outputs)).reshape(b, height, width, outputs)


def _out(n: int, kernel: int, stride: int, padding: int) -> int:
    return (n + 2 * padding - kernel) // stride + 1


def winograd(x: jax.Array, w: jax.Array) -> jax.Array:
    """A 3×3 convolution, stride 1, padding 1, as F(2×2, 3×3) of Lavin and Gray (2016).

    Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A for tiles d of 4×4 pixels, two apart, which give 2×2
    outputs each; ⊙ is summed over the channels, a matrix product for each of its 16
    places. In float32 it is off by about 1e-6 relative. Autodiff gives its adjoint,
    which is as fast.
    """
    b, height, width, inputs = x.shape
    outputs = w.shape[-1]
    rows, columns = -(-height // 2), -(-width // 2)
    x = jnp.pad(
        x,
        (
            (0, 0),
            (1, 2 * rows - height + 1),
            (1, 2 * columns - width + 1),
            (0, 0),
        ),
    )
    # Pixel (2m + p, 2n + q) lies at [:, m, p, n, q]: a tile's 16 pixels are slices.
    x = x.reshape(b, rows + 1, 2, columns + 1, 2, inputs)

    def pixel(i: int, j: int) -> jax.Array:
        m, p, n, q = *divmod(i, 2), *divmod(j, 2)
        return x[:, m : m + rows, p, n : n + columns, q]

    d = _both_ways(_bt, [[pixel(i, j) for j in range(4)] for i in range(4)])
    g = _both_ways(_g, [[w[i, j] for j in range(3)] for i in range(3)])
    products = [
        [d[i][j].reshape(-1, inputs) @ g[i][j] for j in range(4)] for i in range(4)
    ]
    corners = _both_ways(_at, products)
    y = jnp.stack([jnp.stack(row) for row in corners])  # (2, 2, tiles, out)
    y = y.reshape(2, 2, b, rows, columns, outputs).transpose(2, 3, 0, 4, 1, 5)
    return y.reshape(b, 2 * rows, 2 * columns, outputs)[:, :height, :width]


Row = Sequence[jax.Array]


def _both_ways(transform, grid: Sequence[Row]) -> list[list[jax.Array]]:
    """Transform the columns of a grid of arrays, then its rows."""
    columns = [transform(column) for column in zip(*grid)]
    return [transform(row) for row in zip(*columns)]


def _bt(d: Row) -> list[jax.Array]:
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _g(g: Row) -> list[jax.Array]:
    return [g[0], (g[0] + g[1] + g[2]) / 2, (g[0] - g[1] + g[2]) / 2, g[2]]


def _at(m: Row) -> list[jax.Array]:
    return [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
