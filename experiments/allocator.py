"""Memory settings for training on a CPU."""

import ctypes

# <malloc.h>
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_memory() -> bool:
    """Tell glibc's malloc to keep the memory that is freed; before JAX allocates.

    XLA:CPU allocates a step's temporaries anew at each step, from any of its threads.
    By default glibc maps large ones from the kernel and gives them back, and every page
    costs a fault; memory of one arena, unmapped and untrimmed, is used again.

    Returns:
      Whether the settings were taken; other C libraries have none of them.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1))
    return all(mallopt(name, value) for name, value in settings)
