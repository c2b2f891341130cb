"""Before any test: eight CPU devices, quick compilation, one cache of its results.

Most of the tests' time is compilation, which is much quicker without LLVM's expensive
passes. JAX_DISABLE_MOST_OPTIMIZATIONS=0 keeps all of it: `make test-slow` and `make
parity` test what users run.
"""

import gc
import os
import platform
import tempfile
from pathlib import Path

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# Where there is a worker for each core, threads only get in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    if int(os.environ["PYTEST_XDIST_WORKER_COUNT"]) == len(_cores) > 1:
        _number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        os.sched_setaffinity(0, {_cores[_number % len(_cores)]})

import jax

from experiments.machine import hosts
from tests import older_jax

# Traces and compiled programs are millions of objects that outlive a test; looking
# through them after every 700 new ones takes a tenth of the time.
gc.set_threshold(100_000, 50, 100)

# MLIR's emitters take two thirds of the time that is left, and JAX 0.10 can do without
# them. What replaces them fuses multiplications and additions as it likes, and equal
# formulas would differ in the last bit: AVX has no instruction for that.
if (
    jax.__version_info__ < (0, 11)
    and os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] == "1"
):
    # Programs are small: compiled in one piece.
    _flags = "--xla_cpu_use_fusion_emitters=false"
    _flags += " --xla_cpu_parallel_codegen_split_count=1"
    if platform.machine() in ("x86_64", "AMD64"):
        _flags += " --xla_cpu_max_isa=AVX"
    _before = os.environ.get("XLA_FLAGS", "")
    if _flags not in _before:  # a worker inherits them
        os.environ["XLA_FLAGS"] = f"{_flags} {_before}".strip()

jax.config.update("jax_num_cpu_devices", 8)
hosts.give_cpu_devices_threads()
older_jax.add_what_is_missing()

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
