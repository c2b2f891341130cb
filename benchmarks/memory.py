"""How fast all cores together go through memory, which on a shared machine changes."""

import concurrent.futures
import time

import numpy as np

from experiments.provenance import cores

# Of each array; three arrays a core are more than a core's part of any cache.
BYTES = 32 * 2**20
PASSES = 8


class Memory:
    """Sums of large arrays, one on each core that this process may use, timed.

    A virtual machine's cores may lie on one die of the machine below, with one way to
    memory and one cache between them, or on two, and are moved from time to time: a
    program that waits for memory runs faster on two, one whose threads hand each other
    small pieces on one.
    """

    def __init__(self) -> None:
        self._arrays = [np.ones((3, BYTES // 4), np.float32) for _ in range(cores())]
        self._threads = concurrent.futures.ThreadPoolExecutor(cores())
        self.bytes_a_second()

    def bytes_a_second(self) -> float:
        """Read and written, the best of a few passes. Takes some 30 ms."""
        best = 0.0
        for _ in range(PASSES):
            began = time.perf_counter()
            # NumPy lets the others run meanwhile.
            list(self._threads.map(_add, self._arrays))
            seconds = time.perf_counter() - began
            best = max(best, sum(x.nbytes for x in self._arrays) / seconds)
        return best


def _add(arrays: np.ndarray) -> None:
    np.add(arrays[0], arrays[1], out=arrays[2])
