"""Step times from results/, for an estimate before any run."""

from collections.abc import Mapping
from pathlib import Path

from experiments.config.run import RunConfig
from experiments.machine import untrusted

RESULTS = Path(__file__).parents[2] / "results"
FILE = RESULTS / "performance" / "cpu-jax-0.10.2.json"
MACHINE = "two cores of an AMD EPYC (results/performance)"


def seconds(steps: Mapping[RunConfig, int]) -> float | None:
    """The seconds that each run's steps take on MACHINE, without tests.

    None if a run has a network, a batch or an arithmetic that was not measured, or if
    the file is missing.
    """
    try:
        record = untrusted.json_object(FILE.name, untrusted.read_bytes(FILE))
        measured = {
            (row["model"], row["batch"]): float(row["jax"]["seconds_a_step"])
            for row in record["rows"]
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None
    total = 0.0
    for config, count in steps.items():
        pace = measured.get((config.model, config.batch_size))
        if pace is None or config.precision != "float32":
            return None
        total += count * pace
    return total
