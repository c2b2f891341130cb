"""A process that trains when it is told to (training_worker.py), from the outside."""

import dataclasses
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.side import Framework, Options
from experiments.errors import UserError

# glibc keeps what is freed, in huge pages: both sides get it (docs/performance.md).
_TUNABLES = {"mmap_max": 0, "trim_threshold": 2**60, "arena_max": 1, "hugetlb": 1}
ALLOCATOR = {
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
        environment = os.environ | (ALLOCATOR if options.keep_memory else {})
        environment |= {"JAX_PLATFORMS": options.device}
        if options.jobs > 1:
            environment |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        command = [str(python), "-m", "benchmarks.training_worker", framework]
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
