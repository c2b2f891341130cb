"""Memory settings, each in a process of its own: they hold until it ends."""

import platform
import subprocess
import sys

import pytest

from tests.helpers import small

needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the settings are glibc's"
)

# Gaps of 80 kB between blocks that stay, and one of 64 MiB.
GAPS = """
import ctypes
from experiments.machine import allocator

assert allocator.keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
libc.free.argtypes = (ctypes.c_void_p,)
large = libc.malloc(64 << 20)
gaps = []
for _ in range(400):
    gaps.append(libc.malloc(80_000))
    libc.malloc(3000)
for gap in [large, *gaps]:
    libc.free(gap)
"""


def run(script):
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@needs_glibc
def test_gaps_are_filled_and_large_ones_left():
    run(
        GAPS
        + """
taken = allocator.fill_gaps()
assert 400 * 80_000 * 0.9 < taken < 60 << 20, taken
for _ in range(100):
    address = libc.malloc(78_000)
    assert not any(gap <= address < gap + 80_000 for gap in gaps)
block = libc.malloc(40 << 20)
assert large <= block < large + (64 << 20)
"""
    )


@needs_glibc
def test_without_it_the_gaps_are_used():
    run(
        GAPS
        + """
address = libc.malloc(78_000)
assert any(gap <= address < gap + 80_000 for gap in gaps)
"""
    )


def test_gaps_are_filled_after_a_long_compilation_alone():
    run(
        """
from experiments.machine import allocator

calls = []
allocator.fill_gaps = lambda: calls.append(1)
allocator.fill_gaps_after_compiling()
allocator.fill_gaps_after_compiling()
import jax

x = jax.numpy.ones(3)
calls.clear()
allocator._LONG_SECONDS = 0.0
step = jax.jit(lambda x: 2 * x + 1)
step(x)
step(x)
assert len(calls) == 1, calls
allocator._LONG_SECONDS = 1e9
jax.jit(lambda x: 3 * x + 1)(x)
assert len(calls) == 1, calls
"""
    )


@needs_glibc
def test_a_run_that_keeps_memory_fills_them(tmp_path):
    argv = small("train", "--keep-memory", "--out", str(tmp_path / "out"))
    run(
        f"""
from experiments.commands import cli
from experiments.machine import allocator

calls = []
allocator.fill_gaps = lambda: calls.append(1)
allocator._LONG_SECONDS = 0.0
assert cli.main({argv}) == 0
assert calls
"""
    )
