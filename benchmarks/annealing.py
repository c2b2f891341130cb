"""`annealing`: chain-steps per second against NumPy, evaluations against SciPy."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from benchmarks import report


@dataclasses.dataclass(frozen=True)
class Config:
    """Anneal the same objectives with `anneal`, a NumPy loop, and SciPy's optimizers.

    NumPy's loop does the same work for all chains at once: the method, bounds, best
    points, threshold and dead chains. `anneal` spreads its chains over the devices, on
    a CPU one per core. SciPy's dual_annealing and basinhopping run until they reach the
    target. `anneal` uses the settings that the study in results/ chose.
    """

    chains: int = 1000
    """Chains at once."""
    steps: int = 2000
    """Steps of a timed block."""
    blocks: int = 7
    """Alternating blocks of each side; the result is the median of their ratios."""
    seeds: int = 20
    """Runs of each of SciPy's optimizers."""
    most: int = 20_000
    """Evaluations after which a run of SciPy counts as failed."""
    out: Path | None = None
    """JSON file to write the figures to."""


def run(config: Config) -> None:
    report.check(config)
    import jax

    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    from benchmarks import annealing_numpy, annealing_scipy

    speeds = annealing_numpy.compare(config.chains, config.steps, config.blocks)
    for row in speeds:
        print(_speed(row))
    efforts = annealing_scipy.compare(config.seeds, config.most)
    for row in efforts:
        print(_effort(row))
    report.write(
        config.out,
        config,
        speeds + efforts,
        devices=jax.device_count(),
        **report.where(),
    )


def _speed(row: dict[str, Any]) -> str:
    times = row["microseconds_a_step"]
    ratios = ""
    for dtype in ("float64", "float32"):
        low, high = row[f"ratio_{dtype}_range"]
        ratio = row[f"ratio_{dtype}"]
        ratios += f"   {ratio:.1f}× NumPy {dtype} ({low:.1f} to {high:.1f})"
    return (
        f"{row['objective']} d={row['dimension']} {row['method']:16} "
        f"{times['jax']:.0f} µs a step, {row['chain_steps_a_second']:.2e} chain-steps/s"
        f"{ratios}"
    )


def _effort(row: dict[str, Any]) -> str:
    spent = row["evaluations"]
    return (
        f"{row['objective']} d={row['dimension']} {row['optimizer']:16} "
        f"{row['successes']}/{row['runs']} reached, "
        f"{'—' if spent is None else f'{spent:,.0f}'} evaluations a success, "
        f"{row['evaluations_a_second']:.2e} evaluations/s"
    )
