"""`startup`: how long a command takes to be ready, with and without compiling."""

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.timing import spread
from experiments.errors import UserError

_ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Config:
    """Time --help, and two starts of the same experiment in fresh processes."""

    models: tuple[str, ...] = ("simple_cnn", "nn2")
    """Networks to start, see models/."""
    helps: int = 5
    """Calls of --help; the result is their median."""
    pairs: int = 3
    """Pairs of a first and a second start; the results are medians."""
    out: Path | None = None
    """JSON file to write the figures to."""


def run(config: Config) -> None:
    report.check(config)
    rows: list[dict[str, Any]] = []
    for what in ("--help", "train --help"):
        seconds = [_until(what.split(), "usage:") for _ in range(config.helps)]
        rows.append({"what": what, "seconds": spread(seconds)})
        print(f"{what:13} {statistics.median(seconds):.2f} s", flush=True)
    for model in config.models:
        starts = [_starts(model) for _ in range(config.pairs)]
        first, second = ([s[i] for s in starts] for i in (0, 1))
        rows.append(
            {
                "what": model,
                "first_start_seconds": spread([s for s, _ in first]),
                "second_start_seconds": spread([s for s, _ in second]),
                "programs_compiled_by_the_first": first[0][1],
                "programs_compiled_by_the_second": second[0][1],
            }
        )
        print(
            f"{model:13} first step and test after "
            f"{statistics.median(s for s, _ in first):.1f} s with "
            f"{first[0][1]} programs compiled and kept, at the second start after "
            f"{statistics.median(s for s, _ in second):.1f} s with {second[0][1]}",
            flush=True,
        )
    report.write(config.out, config, rows, **report.where())


def _starts(model: str) -> list[tuple[float, int]]:
    """For a first and a second start: seconds to a step and a test, programs kept."""
    with tempfile.TemporaryDirectory() as directory:
        cache = Path(directory) / "cache"
        found, starts = 0, []
        for start in ("first", "second"):
            options = ["train", "--dataset", "digits", "--model", model]
            # One step of 32 images, tested on 32.
            options += ["--epochs", "1", "--limit-train", "64", "--validation", "32"]
            options += ["--cache-dir", str(cache), "--out", f"{directory}/{start}"]
            seconds = _until(options, "epoch 1/1")
            kept = len(list((cache / "compiled").glob("*-cache")))
            starts.append((seconds, kept - found))
            found = kept
        return starts


def _until(arguments: Sequence[str], sign: str) -> float:
    """Run `python -m experiments`; the seconds until a line with the sign is out."""
    # A cache that the user has set would be used in place of the fresh one.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JAX_COMPILATION_CACHE", "JAX_PERSISTENT_CACHE"))
    }
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "experiments", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=_ROOT,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if sign in line:
                seconds = time.perf_counter() - began
                process.stdout.read()
                return seconds
    raise UserError(f"python -m experiments {arguments[0]} ended without {sign!r}")
