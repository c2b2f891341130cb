"""`spins`: against dwave-samplers, one core each: flips per second, and max-cut."""

import dataclasses
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import report

BETAS = (1 / 3, 1 / 0.3)


@dataclasses.dataclass(frozen=True)
class Config:
    """Time both annealers on random graphs, then cut one like G1 in equal time."""

    sizes: tuple[int, ...] = (24, 216, 1024, 4096, 16384)
    """Spins of the sparse graphs, in which each has six neighbors."""
    dense: tuple[int, ...] = (24, 128, 1024)
    """Spins of the complete graphs."""
    reads: tuple[int, ...] = (1, 16, 128, 1000)
    """Chains of a call."""
    call: float = 1.0
    """Processor seconds of a timed call, at least."""
    repetitions: int = 5
    """Calls of each annealer, with other seeds, in turns."""
    seconds: tuple[float, ...] = (2.0, 10.0)
    """Processor seconds of a call of max-cut."""
    cut_reads: int = 64
    """Chains of a call of max-cut."""
    vertices: int = 800
    """Vertices of the graph to cut."""
    edges: int = 19_176
    """Edges of the graph to cut, of weight 1."""
    out: Path | None = None
    """JSON file to write the figures to."""


def run(config: Config) -> None:
    report.check(config)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = []
    for row in itertools.chain(_rates(config), _cuts(config)):
        rows.append(row)
        print(*(f"{key} {value}" for key, value in row.items()), sep=", ", flush=True)
    flags = os.environ.get("XLA_FLAGS", "")
    report.write(config.out, config, rows, xla_flags=flags, **report.where())


def _annealers() -> dict[str, Callable[..., Any]]:
    """Each is called with a BQM, num_reads, num_sweeps, seed, and maybe a range."""
    from dwave.samplers import SimulatedAnnealingSampler

    from landmod_jax.annealing.dimod_sampler import LandscapeSampler

    ours = LandscapeSampler().sample
    return {
        "metropolis": ours,
        "metropolis, LM": lambda bqm, **options: ours(bqm, f="bounded", **options),
        "dwave-samplers": SimulatedAnnealingSampler().sample,
    }


def _seconds(
    call: Callable[..., Any],
    bqm: Any,
    reads: int,
    sweeps: int,
    seed: int = 0,
    **options: Any,
) -> tuple[float, Any]:
    """Processor seconds of a call, and the energies."""
    began = time.process_time()
    samples = call(bqm, num_reads=reads, num_sweeps=sweeps, seed=seed, **options)
    return time.process_time() - began, samples.record.energy


def _sweeps(seconds: float, timed: Callable[[int], tuple[float, Any]]) -> int:
    """About as many sweeps as take so many seconds, beyond the call's own."""
    timed(1)  # compiles
    single, _ = timed(1)
    sweeps = 8
    while (used := timed(sweeps)[0] - single) < seconds / 4:
        sweeps *= 2
    return max(8, round(sweeps * seconds / used))


def _rates(config: Config) -> Iterator[dict[str, Any]]:
    """A row per graph, number of reads, annealer and repetition.

    `flips` is per second, from the difference between a long call and one of a single
    sweep; `call` is the seconds of the latter.
    """
    import dimod
    import networkx as nx
    import numpy as np

    annealers = _annealers()
    graphs = [(f"sparse {n}", nx.random_regular_graph(6, n, 0)) for n in config.sizes]
    graphs += [(f"dense {n}", nx.complete_graph(n)) for n in config.dense]
    for name, graph in graphs:
        n = len(graph)
        signs = np.random.default_rng(0).choice([-1.0, 1.0], graph.number_of_edges())
        bqm = dimod.BQM.from_ising({}, dict(zip(graph.edges, signs, strict=True)))
        for reads in config.reads:
            calls = {
                program: functools.partial(_seconds, call, bqm, reads, beta_range=BETAS)
                for program, call in annealers.items()
            }
            sweeps = {p: _sweeps(config.call, call) for p, call in calls.items()}
            for repetition in range(config.repetitions):
                for program, call in calls.items():
                    short, _ = call(1, 1 + repetition)
                    long, _ = call(sweeps[program], 1 + repetition)
                    yield {
                        "graph": name,
                        "reads": reads,
                        "program": program,
                        "repetition": repetition,
                        "sweeps": sweeps[program],
                        "call": short,
                        "flips": n * reads * (sweeps[program] - 1) / (long - short),
                    }


def _cuts(config: Config) -> Iterator[dict[str, Any]]:
    """A row per budget, repetition and annealer, with the best and the mean cut."""
    import dimod
    import networkx as nx

    graph = nx.gnm_random_graph(config.vertices, config.edges, seed=0)
    # U is minus the cut: a spin pair of an edge costs 1/2 if alike.
    bqm = dimod.BQM.from_ising({}, dict.fromkeys(graph.edges, 0.5), -config.edges / 2)

    calls = {
        program: functools.partial(_seconds, call, bqm, config.cut_reads)
        for program, call in _annealers().items()
        if "LM" not in program  # its f would have to be tuned
    }
    for seconds in config.seconds:
        sweeps = {p: _sweeps(seconds, call) for p, call in calls.items()}
        for repetition in range(config.repetitions):
            for program, call in calls.items():
                used, energies = call(sweeps[program], 1 + repetition)
                yield {
                    "graph": "max-cut",
                    "reads": config.cut_reads,
                    "program": program,
                    "seconds": seconds,
                    "repetition": repetition,
                    "sweeps": sweeps[program],
                    "processor": used,
                    "best": float(-energies.min()),
                    "mean": float(-energies.mean()),
                }
