"""Memory settings for training on a CPU."""

import ctypes

# <malloc.h>
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_memory() -> bool:
    """Tell glibc's malloc to keep the memory that is freed; before JAX allocates.

    XLA:CPU allocates a step's temporaries anew at each step. By default glibc maps
    large ones from the kernel and gives them back, and every page costs a fault.

    Returns:
      Whether the settings were taken; other C libraries have none of them.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
