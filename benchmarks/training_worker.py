"""One side of the training benchmark: a process that trains when it is told to.

Reads a number of steps per line on standard input and answers each with a line of JSON;
the first line it writes says that it is ready. Run by benchmarks/training.py, with the
framework and the side's Options as JSON.
"""

import importlib
import json
import resource
import sys
import time
from collections.abc import Sequence

from benchmarks.side import Options
from experiments import allocator
from experiments.jobs import take_share


def main(argv: Sequence[str]) -> None:
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
