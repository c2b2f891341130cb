"""A process that trains on request: `Worker` from outside, `main` inside.

It reads one number of steps per line from standard input and answers each with a line
of JSON. Its first line says that it is ready, and describes it.
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

# For both sides, glibc keeps freed memory, in huge pages (docs/performance.md).
_TUNABLES = {"mmap_max": 0, "trim_threshold": 2**60, "arena_max": 1, "hugetlb": 1}
_ALLOCATOR = {
    "GLIBC_TUNABLES": ":".join(f"glibc.malloc.{k}={v}" for k, v in _TUNABLES.items())
}


class Worker:
    """One side in its own process; `about` describes it once it is ready."""

    def __init__(
        self,
        python: Path,
        framework: Framework,
        options: Options,
    ):
        environment = os.environ | (_ALLOCATOR if options.keep_memory else {})
        environment |= {"JAX_PLATFORMS": options.device}
        # The sides share a GPU.
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
        """The side's description, once it is ready."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise UserError("a worker exited early; see its error above")
        return json.loads(line)

    def train(self, steps: int) -> dict[str, Any]:
        """Train; how many steps it took, their seconds, and the memory."""
        assert self._process.stdin is not None
        print(steps, file=self._process.stdin, flush=True)
        return self.wait()

    def close(self) -> None:
        self._process.communicate()


def main(argv: Sequence[str]) -> None:
    """The process, with its framework and its side's Options as JSON."""
    framework, text = argv
    options = Options(**json.loads(text))
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
