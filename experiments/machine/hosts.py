"""Several processes that train one run together, through jax.distributed.

Each process runs the same program on the same data. Only the first process writes. The
processes agree on everything that could differ between them, such as whether a run is
finished and whether to stop. With one process, every function here is trivial.
"""

import os

import jax
import numpy as np

from experiments.errors import UserError
from experiments.machine.stopping import BUDGET_SPENT, Stop, Stopped

THREADS_A_DEVICE = 8
ASK_EVERY = 16  # steps, because every process waits for the others to agree


def start(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Join the other processes; "auto" uses the settings of SLURM or of a cloud TPU.

    Raises:
      UserError: the connection fails.
    """
    if coordinator is None or jax.distributed.is_initialized():
        return
    try:
        if coordinator == "auto":
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(coordinator, num_processes, process_id)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"cannot join the other processes: {error}") from error


def give_cpu_devices_threads() -> None:
    """Before JAX starts: give XLA enough threads if one CPU is several devices.

    A thread that waits for the other devices' part of a sum is missing from XLA's pool,
    which has one thread per device. A device may wait for several sums at once, so the
    devices can deadlock.
    """
    devices = getattr(jax.config, "jax_num_cpu_devices")  # noqa: B009
    if devices > 1:
        os.environ.setdefault("NPROC", str(THREADS_A_DEVICE * devices))


def several() -> bool:
    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def from_first(value: bool) -> bool:
    """The first process's value, on all of them."""
    if not several():
        return value
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.array(value)))


def any_of(value: bool) -> bool:
    """Whether the value is true on some process."""
    if not several():
        return value
    from jax.experimental import multihost_utils

    return bool(np.any(multihost_utils.process_allgather(np.array(value))))


class AgreedStop(Stop):
    """Stops all processes at the same step, once one of them is to stop."""

    def __init__(self, minutes: float | None = None):
        super().__init__(minutes)
        self._calls = 0
        self._agreed = False

    def __call__(self) -> bool:
        if not several():
            return super().__call__()
        if self._calls % ASK_EVERY == 0 and not self._agreed:
            self._agreed = any_of(super().__call__())
        self._calls += 1
        return self._agreed

    def stopped(self) -> Stopped:
        if self._agreed and not super().__call__():
            return Stopped("stopped with another process", BUDGET_SPENT)
        return super().stopped()
