"""A run of the experiments that says after each epoch how long it took, and its memory.

Run by benchmarks/scaling.py with a network, epochs, steps an epoch and whether glibc
keeps freed memory; writes a JSON list.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.protocol import lm_sgd
from experiments import allocator
from experiments.progress import Silent

BATCH, TESTED = 128, 256


class Watch(Silent):
    """Takes the time and the memory at the line that ends an epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._began = time.perf_counter()

    def line(self, text: str) -> None:
        now = time.perf_counter()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.epochs.append(
            {
                "seconds": now - self._began,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "resident_mib": pages * resource.getpagesize() / 2**20,
            }
        )
        self._began = now


def main(argv: Sequence[str]) -> None:
    model, epochs, steps, keep_memory = argv
    if keep_memory == "True":
        allocator.keep_memory()
    from experiments import data, runner, training
    from experiments.stopping import Stop
    from experiments.trainer import DeviceData, Trainer

    config = lm_sgd(
        model,
        epochs=int(epochs),
        batch_size=BATCH,
        limit_train=int(steps) * BATCH + TESTED,
        validation=TESTED,
    )
    dataset = data.load(
        config.dataset, limit_train=config.limit_train, validation=config.validation
    )
    problem = training.make_problem(config, len(dataset.classes), int(steps))
    trainer = Trainer(problem, DeviceData.put(dataset), BATCH)
    watch = Watch()
    with tempfile.TemporaryDirectory() as directory:
        runner.run(
            config,
            trainer,
            Path(directory) / config.run_id,
            progress=watch,
            stop=Stop(),
            checkpoint_minutes=1e9,
        )
    print(json.dumps(watch.epochs))


if __name__ == "__main__":
    main(sys.argv[1:])
