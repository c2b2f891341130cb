"""Sets up the process that a command runs in: once, before JAX starts, in order.

Only `set_up` changes the process: XLA's environment, the compilation cache, warnings,
the group of processes that it belongs to. Calling the library changes none of these.
"""

import dataclasses
import warnings
from pathlib import Path

from experiments.errors import UserError
from experiments.machine.files import default_cache_dir


@dataclasses.dataclass(frozen=True)
class Cache:
    """Where to keep data and compiled programs."""

    cache_dir: Path | None = None
    """Where to keep NAME.npz and compiled programs; by default, landmod_jax in the
    user's cache directory."""


@dataclasses.dataclass(frozen=True)
class Process(Cache):
    """How to set up the process."""

    coordinator: str | None = None
    """HOST:PORT of the first of several processes that train each run together
    (--parallel sharded), or auto under SLURM and on cloud TPUs; by default, this
    process trains alone."""
    num_processes: int | None = None
    """Number of processes that train each run together; by default, only this one."""
    process_id: int | None = None
    """Number of this process, from 0; by default, it has none."""
    onednn: bool = False
    """Let XLA use oneDNN, on an x86 CPU with jax 0.12 or newer: faster steps, but each
    start recompiles (see docs). Not with --parallel pmap."""

    def check(self) -> None:
        """Raise UserError for processes that cannot find each other."""
        processes, number = self.num_processes, self.process_id
        if self.coordinator is None and (processes, number) != (None, None):
            raise UserError("--num-processes and --process-id need --coordinator")
        if self.coordinator in (None, "auto"):
            return
        host, _, port = str(self.coordinator).rpartition(":")
        if not (host and port.isdecimal() and 1 <= int(port) <= 65535):
            raise UserError(
                f"--coordinator takes HOST:PORT or auto, got {self.coordinator!r}"
            )
        if processes is None or number is None or not 0 <= number < processes:
            raise UserError(
                "--coordinator HOST:PORT needs --num-processes, and --process-id from "
                f"0 to their number minus 1, got {processes} and {number}"
            )


def set_up(process: Process) -> None:
    """Set up this process.

    Raises:
      UserError: the machine does not support an option.
    """
    from experiments.machine import hosts

    hosts.give_cpu_devices_threads()
    keep_compiled(process.cache_dir or default_cache_dir())
    hosts.start(process.coordinator, process.num_processes, process.process_id)
    start_jax()
    if process.onednn:
        _check_onednn()


def start_jax() -> None:
    """Open the devices.

    Raises:
      UserError: the machine lacks the platform that the user has chosen.
    """
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX asserts that there is one
        chosen = getattr(jax.config, "jax_platforms")  # noqa: B009
        if not chosen:
            raise
        reason = (str(error).splitlines() or ["it finds no such device"])[0]
        raise UserError(
            f"JAX cannot start with JAX_PLATFORMS={chosen}: {reason}; unset "
            "JAX_PLATFORMS to use what the machine has, or choose cpu"
        ) from error


def keep_compiled(cache_dir: Path) -> None:
    """Enable JAX's compilation cache, unless the user has set one.

    Whatever is wrong with it, JAX compiles again.
    """
    import jax

    if getattr(jax.config, "jax_compilation_cache_dir") is None:  # noqa: B009
        jax.config.update("jax_compilation_cache_dir", str(cache_dir / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    # Another process may be writing the entry, the disk may be full, or the program may
    # be one for oneDNN, which cannot be cached. JAX would warn of each program.
    warnings.filterwarnings(
        "ignore", "Error (read|writ)ing persistent compilation cache entry", UserWarning
    )


def _check_onednn() -> None:
    """Reject --onednn if it is not available."""
    from models import compiler_options

    if not compiler_options():
        import jax

        raise UserError(
            f"--onednn: jaxlib {jax.lib.__version__} has no oneDNN for "
            f"{jax.default_backend()}s here; it needs 0.12 or newer, on an x86 CPU"
        )
