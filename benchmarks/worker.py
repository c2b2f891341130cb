"""A process that trains when it is told to: `Worker` from outside, `main` inside.

It reads a number of steps a line on standard input and answers each with a line of
JSON. The first line that it writes says that it is ready, and what it is.
"""

import dataclasses
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.side import Framework, Options
from experiments.errors import UserError
from experiments.machine import allocator
from experiments.machine.setup import take_share

# glibc keeps what is freed, in huge pages: both sides get it (docs/performance.md).
_TUNABLES = {"mmap_max": 0, "trim_threshold": 2**60, "arena_max": 1, "hugetlb": 1}
_ALLOCATOR = {
    "GLIBC_TUNABLES": ":".join(f"glibc.malloc.{k}={v}" for k, v in _TUNABLES.items())
}


class Worker:
    """One side in its own process; `about` says what it is once it is ready."""

    def __init__(
        self,
        python: Path,
        framework: Framework,
        options: Options,
    ):
        environment = os.environ | (_ALLOCATOR if options.keep_memory else {})
        environment |= {"JAX_PLATFORMS": options.device}
        if options.xla_flags:
            flags = f"{environment.get('XLA_FLAGS', '')} {options.xla_flags}".strip()
            environment |= {"XLA_FLAGS": flags}
        if options.jobs > 1 or not options.preallocates:
            environment |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        command = [str(python), "-m", "benchmarks.worker", framework]
        command.append(json.dumps(dataclasses.asdict(options)))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Path(__file__).resolve().parent.parent,
        )

    def wait(self) -> dict[str, Any]:
        """What it is, the first time; then the answer to what it was told."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise UserError("a worker ended early; its error stands above")
        return json.loads(line)

    def tell(self, steps: int) -> None:
        """Have it train; `wait` has the seconds that it took."""
        assert self._process.stdin is not None
        print(steps, file=self._process.stdin, flush=True)

    def close(self) -> None:
        self._process.communicate()

    def end(self) -> None:
        """At once, whatever it is doing."""
        self._process.kill()
        self._process.wait()


def main(argv: Sequence[str]) -> None:
    """The process, told its framework and its side's Options as JSON."""
    framework, text = argv
    options = Options(**json.loads(text))
    take_share(options.job, options.jobs)
    if framework == "jax" and options.keep_memory:
        allocator.fill_gaps_after_compiling()
    module = importlib.import_module(f"benchmarks.{framework}_side")
    side = module.make(options)
    began = time.perf_counter()
    side.train(1)
    first = time.perf_counter() - began
    side.train(1)
    print(json.dumps(side.about | {"first_step_seconds": first}), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        steps = side.train(int(line))
        answer = {
            "seconds": time.perf_counter() - began,
            "steps": steps,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "device_peak_mib": side.device_peak_mib(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
