"""A few traced steps of one side, run by benchmarks/profile.py: the time of each kind.

XLA's operations overlap: where several are under way, the time is shared equally among
them. What no operation accounts for is told apart as waiting.
"""

import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import kinds
from benchmarks.side import Options

WARM = 4  # new memory is slow

Trace = tuple[float, dict[str, float]]  # seconds in all, and of each kind


def jax_profile(options: Options, steps: int) -> tuple[str, Callable[[], Trace]]:
    """The side's name, and a function that traces some steps."""
    import jax
    from jax.profiler import ProfileData

    from benchmarks import jax_side

    program = jax_side.alone(options)
    for _ in range(WARM):
        program.train(steps)
    kind_of = kinds.of_program(program.text)

    def trace() -> Trace:
        with tempfile.TemporaryDirectory() as directory:
            with jax.profiler.trace(directory):
                seconds = _timed(program.train, steps)
            (file,) = Path(directory).rglob("*.xplane.pb")
            spans = [
                (kind_of[name], began, ended)
                for name, began, ended in _operations(ProfileData.from_file(str(file)))
                if name in kind_of
            ]
        return seconds, shared(spans)

    return f"jax {jax.__version__}", trace


def _operations(profile: Any) -> Iterator[tuple[str, float, float]]:
    """(name, start, end) of each operation, in seconds.

    One that hands its work to other threads leaves only the handing over under its
    name; its end has an event of its own, "end: NAME", tied to it by a number.
    """
    starts, ends = [], {}
    for plane in profile.planes:
        for line in plane.lines:
            for event in line.events:
                if event.name.startswith("end: "):
                    ends[dict(event.stats).get("_c")] = event.start_ns
                elif "hlo_op" in (stats := dict(event.stats)):
                    starts.append((event, stats.get("_p")))
    for event, number in starts:
        ended = ends.get(number, event.start_ns + event.duration_ns)
        yield event.name, event.start_ns / 1e9, ended / 1e9


def shared(spans: Sequence[tuple[str, float, float]]) -> dict[str, float]:
    """The time of each kind, shared equally where spans (kind, start, end) overlap."""
    borders = sorted(
        (moment, change, number)
        for number, (_, began, ended) in enumerate(spans)
        for moment, change in ((began, 1), (ended, -1))
    )
    spent: defaultdict[str, float] = defaultdict(float)
    active: set[int] = set()
    last = 0.0
    for moment, change, number in borders:
        for one in active:
            spent[spans[one][0]] += (moment - last) / len(active)
        (active.add if change > 0 else active.discard)(number)
        last = moment
    return spent


def torch_profile(options: Options, steps: int) -> tuple[str, Callable[[], Trace]]:
    """As `jax_profile`."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from benchmarks import torch_side

    train = torch_side.alone(options)
    for _ in range(WARM):
        train(steps)

    def trace() -> Trace:
        with profile(activities=[ProfilerActivity.CPU]) as traced:
            seconds = _timed(train, steps)
        spent: dict[str, float] = defaultdict(float)
        for event in traced.key_averages():
            spent[kinds.of_operator(event.key)] += event.self_cpu_time_total / 1e6
        return seconds, spent

    return f"PyTorch {torch.__version__.split('+')[0]}", trace


def _timed(train: Callable[[int], Any], steps: int) -> float:
    began = time.perf_counter()
    train(steps)
    return time.perf_counter() - began


def main(argv: Sequence[str]) -> None:
    framework, model, batch, steps, traces = argv
    options = Options(model, int(batch), "float32", "cpu", False, False, True)
    profile = {"jax": jax_profile, "torch": torch_profile}[framework]
    side, trace = profile(options, int(steps))
    # The fastest one is the one that other programs disturbed the least.
    seconds, spent = min((trace() for _ in range(int(traces))), key=lambda t: t[0])
    spent[kinds.WAITING] = max(seconds - sum(spent.values()), 0.0)
    row = {
        "side": side,
        "step_milliseconds": 1e3 * seconds / int(steps),
        "milliseconds": {
            k: 1e3 * spent[k] / int(steps) for k in kinds.KINDS if k in spent
        },
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main(sys.argv[1:])
