"""The simulated annealer of dwave-samplers, an optional package."""

import importlib.util
import time

import numpy as np

from experiments.spins.problems import Instance


def installed() -> bool:
    try:
        return importlib.util.find_spec("dwave.samplers") is not None
    except ModuleNotFoundError:
        return False


def anneal(
    instance: Instance, first: float, last: float, sweeps: int, chains: int, seed: int
) -> tuple[np.ndarray, float]:
    """The final energies of `chains` reads, (chains,), and the processor seconds.

    The annealer returns a run's final state, not the best one on the way.
    """
    from dwave.samplers import SimulatedAnnealingSampler

    pairs = [tuple(pair) for pair in instance.pairs.tolist()]
    # Its energy is +Σ J s s.
    J = dict(zip(pairs, (-instance.J).tolist(), strict=True))
    sampler = SimulatedAnnealingSampler()
    began = time.process_time()
    samples = sampler.sample_ising(
        {}, J, num_reads=chains, num_sweeps=sweeps, seed=seed,
        beta_range=(1 / first, 1 / last), beta_schedule_type="geometric",
    )  # fmt: skip
    seconds = time.process_time() - began
    return np.asarray(samples.record.energy, np.float64), seconds
