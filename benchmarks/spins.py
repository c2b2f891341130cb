"""`spins`: max-cut against dwave-samplers, on one core each, in equal time."""

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

from benchmarks import report


@dataclasses.dataclass(frozen=True)
class Config:
    """Cut a random graph of the size of Gset's G1 by each annealer, in equal time."""

    seconds: tuple[float, ...] = (2.0, 10.0)
    """Processor seconds of a call."""
    reads: int = 64
    """Chains of a call."""
    repetitions: int = 5
    """Calls of each annealer, with other seeds, in turns."""
    vertices: int = 800
    """Vertices of the graph."""
    edges: int = 19_176
    """Edges of the graph, of weight 1."""
    out: Path | None = None
    """JSON file to write the figures to."""


def run(config: Config) -> None:
    report.check(config)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import dimod
    import networkx as nx
    from dwave.samplers import SimulatedAnnealingSampler

    from landmod_jax.annealing.dimod_sampler import LandscapeSampler

    graph = nx.gnm_random_graph(config.vertices, config.edges, seed=0)
    # U is minus the cut: a spin pair of an edge costs 1/2 if alike.
    bqm = dimod.BQM.from_ising({}, dict.fromkeys(graph.edges, 0.5), -config.edges / 2)

    programs: dict[str, tuple[Any, dict[str, Any]]] = {
        "metropolis": (LandscapeSampler(), {}),
        "metropolis, LM": (LandscapeSampler(), {"f": "bounded"}),
        "dwave-samplers": (SimulatedAnnealingSampler(), {}),
    }

    def timed(name: str, sweeps: int, seed: int) -> tuple[float, Any]:
        sampler, options = programs[name]
        began = time.process_time()
        cuts = -sampler.sample(
            bqm, num_reads=config.reads, num_sweeps=sweeps, seed=seed, **options
        ).record.energy
        return time.process_time() - began, cuts

    def sweeps_in(seconds: float, name: str) -> int:
        sweeps = 10
        timed(name, sweeps, 0)  # compiles
        while (used := timed(name, sweeps, 0)[0]) < seconds / 4:
            sweeps *= 2
        return max(1, round(sweeps * seconds / used))

    rows = []
    for seconds in config.seconds:
        sweeps_of = {name: sweeps_in(seconds, name) for name in programs}
        for repetition in range(config.repetitions):
            for name, sweeps in sweeps_of.items():
                used, cuts = timed(name, sweeps, 1 + repetition)
                row = {
                    "program": name,
                    "seconds": seconds,
                    "repetition": repetition,
                    "processor": used,
                    "sweeps": sweeps,
                    "best": float(cuts.max()),
                    "mean": float(cuts.mean()),
                }
                rows.append(row)
                print(
                    f"{name:15} {used:6.2f} s  {sweeps:6} sweeps  "
                    f"best {row['best']:.0f}  mean {row['mean']:.1f}",
                    flush=True,
                )
    report.write(config.out, config, rows, **report.where())
