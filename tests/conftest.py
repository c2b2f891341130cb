"""Before any test: eight CPU devices, and one compilation cache for all processes."""

import os
import tempfile
from pathlib import Path

import jax

from experiments.machine import hosts

jax.config.update("jax_num_cpu_devices", 8)
hosts.give_cpu_devices_threads()

# Many tests, xdist's workers and the commands that tests start compile the same
# programs. The parent sets the variable, its children inherit it.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="landmod_jax-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
jax.config.update(
    "jax_compilation_cache_dir", str(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]))
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
