"""Memory settings for training on a CPU."""

import ctypes
import functools
from typing import Any

# <malloc.h>
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
# What fill_gaps takes at a time, what malloc adds to it, and what it leaves alone.
_PIECE, _HEADER, _LARGE_GAP = 4096, 16, 2**20
_MOST = 2**30
# As JAX names the event that it records after each compilation.
_COMPILED = "/jax/core/compile/backend_compile_duration"
_LONG_SECONDS = 1.0


def keep_memory() -> bool:
    """Tell glibc's malloc to keep the memory that is freed; before JAX allocates.

    XLA:CPU allocates a step's temporaries anew at each step, from any of its threads.
    By default glibc maps large ones from the kernel and gives them back, and every page
    costs a fault; memory of one arena, unmapped and untrimmed, is used again. The gaps
    that compilation leaves in it are filled.

    Returns:
      Whether the settings were taken; other C libraries have none of them.
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
    """Take all free memory that lies in gaps smaller than a MiB, and keep it.

    Compilation leaves hundreds of thousands of them, which malloc keeps in lists by
    size. XLA's matrix products ask for 78 kB tens of thousands of times in a step of a
    deep network, and each time malloc walks through the list of such gaps.

    Returns:
      How many bytes were taken.
    """
    malloc = ctypes.CDLL(None).malloc
    malloc.argtypes, malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    taken = in_a_row = previous = 0
    # The smallest gap that is large enough is taken first, and from its front.
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
    """From now on `fill_gaps`, whenever JAX has compiled for more than a second."""
    import jax

    def compiled(event: str, duration_secs: float, **kwargs: Any) -> None:
        if event == _COMPILED and duration_secs > _LONG_SECONDS:
            fill_gaps()

    jax.monitoring.register_event_duration_secs_listener(compiled)
