"""Memory settings for training on a CPU."""

import ctypes
import functools
from typing import Any

# <malloc.h>
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
# The sizes that fill_gaps allocates at a time, that malloc adds, and that it skips.
_PIECE, _HEADER, _LARGE_GAP = 4096, 16, 2**20
_MOST = 2**30
# JAX's name for the event that it records after each compilation.
_COMPILED = "/jax/core/compile/backend_compile_duration"
_LONG_SECONDS = 1.0


def keep_memory() -> bool:
    """Tell glibc's malloc to keep freed memory. Call this before JAX allocates.

    XLA:CPU allocates a step's temporaries again at each step, from any of its threads.
    By default, glibc maps large ones from the kernel and returns them, so every page
    costs a fault. Memory of one arena that is neither mapped nor trimmed is reused. The
    gaps that compilation leaves in it are filled.

    Returns:
      Whether the settings took effect; other C libraries do not have them.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1))
    taken = all(mallopt(name, value) for name, value in settings)
    if taken:
        fill_gaps_after_compiling()
    return taken


def fill_gaps() -> int:
    """Allocate and keep all free memory in gaps smaller than a MiB.

    Compilation leaves hundreds of thousands of gaps, which malloc keeps in lists by
    size. In a step of a deep network, XLA's matrix products allocate 78 kB tens of
    thousands of times, and each time malloc walks through the list of such gaps.

    Returns:
      The number of bytes allocated.
    """
    malloc = ctypes.CDLL(None).malloc
    malloc.argtypes, malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    taken = in_a_row = previous = 0
    # malloc uses the smallest gap that is large enough, from its front.
    while in_a_row < _LARGE_GAP and taken < _MOST:
        address = malloc(_PIECE)
        if not address:
            break
        taken += _PIECE
        follows = address == previous + _PIECE + _HEADER
        in_a_row = in_a_row + _PIECE if follows else 0
        previous = address
    return taken


@functools.cache
def fill_gaps_after_compiling() -> None:
    """From now on, call `fill_gaps` when JAX has compiled for over a second."""
    import jax

    def compiled(event: str, duration_secs: float, **kwargs: Any) -> None:
        if event == _COMPILED and duration_secs > _LONG_SECONDS:
            fill_gaps()

    jax.monitoring.register_event_duration_secs_listener(compiled)
