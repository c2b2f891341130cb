"""Convolution, with formulations of the same arithmetic that XLA:CPU runs fast.

Accelerators keep the native convolution. On a CPU, XLA's own lowering is slow in cases
in which PyTorch's is not. There, a 1×1 convolution becomes a matrix product, one with
few input channels or a stride becomes patches × matrix, and a wide 3×3 one uses
Winograd's algorithm. docs/performance.md has the gain from each.
"""

import functools

import jax
import jax.numpy as jnp

from models.cpu.barrier import barrier
from models.cpu.norm import at_least_float32
from models.cpu.products import rows_times
from models.cpu.winograd import winograd

# Below this width, Winograd's transforms cost more than they save.
WINOGRAD_CHANNELS = 32
# Maps of fewer pixels a side take F(2×2, 3×3), others F(4×4, 3×3).
WINOGRAD_LARGE = 8
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
      differentiated in reverse mode, any number of times.
    """
    return jax.lax.platform_dependent(
        x,
        w,
        cpu=functools.partial(_on_cpu, stride=stride, padding=padding),
        default=functools.partial(native, stride=stride, padding=padding),
    )


def _forward(x, w, stride, padding):
    if _has_native_gradient(w, stride, padding):
        # The kernel's gradient transposes x, and would recompute it in that order.
        x = jax.lax.platform_dependent(x, cpu=barrier, default=lambda x: x)
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
    kernel, _, *channels = w.shape
    wide = at_least_float32(x)
    if wide.dtype != x.dtype:
        # The result is rounded to half precision; CPUs do not compute faster in it.
        y = _on_cpu(wide, at_least_float32(w), stride=stride, padding=padding)
        return y.astype(x.dtype)
    if kernel == 1 and padding == 0:
        return pointwise(x, w, stride)
    if channels[0] < PATCHES_INPUTS or stride > 1:
        return patches(x, w, stride, padding)
    if not _has_native_gradient(w, stride, padding):
        return winograd(x, w, 4 if min(x.shape[1:3]) >= WINOGRAD_LARGE else 2)
    return native(x, w, stride=stride, padding=padding)


def _has_native_gradient(w, stride, padding):
    """Whether the kernel's gradient uses XLA's own convolution on a CPU."""
    kernel, _, *channels = w.shape
    if stride > 1 or channels[0] < PATCHES_INPUTS or (kernel, padding) == (1, 0):
        return False
    return (kernel, padding) != (3, 1) or min(channels) < WINOGRAD_CHANNELS


def pointwise(x: jax.Array, w: jax.Array, stride: int) -> jax.Array:
    """A 1×1 convolution as one matrix product over all pixels."""
    x = x[:, ::stride, ::stride]
    y = rows_times(x.reshape(-1, x.shape[-1]), w[0, 0])
    return y.reshape(*x.shape[:-1], w.shape[-1])


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
    y = rows_times(matrix, w.reshape(-1, outputs))
    return y.reshape(b, height, width, outputs)


def _out(n: int, kernel: int, stride: int, padding: int) -> int:
    return (n + 2 * padding - kernel) // stride + 1
