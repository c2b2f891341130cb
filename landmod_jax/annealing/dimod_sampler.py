"""`metropolis` as a sampler of dimod, for its composites and tools."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

try:
    import dimod
except ImportError as error:
    raise ImportError(
        "LandscapeSampler needs dimod: pip install 'landmod-jax[dimod]'"
    ) from error

from landmod_jax import _checks
from landmod_jax import _shapes as shapes
from landmod_jax._thresholds import Threshold
from landmod_jax.annealing._cooling import geometric
from landmod_jax.annealing._metropolis import metropolis
from landmod_jax.annealing._qubo import from_bqm


class LandscapeSampler(dimod.Sampler, dimod.Initialized):
    """Simulated annealing of binary quadratic models, on U or on the modified H.

    `sample`, `sample_ising` and `sample_qubo` take these arguments and return the best
    state of each read, with its energy by dimod, in float64.

    Args:
      num_reads: chains; by default as many as `initial_states`, or 1.
      num_sweeps: steps of each spin; by default 1000, or the length of `beta_schedule`.
      beta_range: the first and last 1 / T of a geometric schedule; by default that of
        dwave-samplers.
      beta_schedule: 1 / T of each sweep, in place of `beta_range`.
      seed: of the initial states and the chains; by default a random one.
      initial_states, initial_states_generator: as in dimod.Initialized.
      f, threshold: as in `metropolis`; f has the units of the energy.

    Raises:
      ValueError: an argument is none of the above.

    Example:
      >>> from landmod_jax.annealing.dimod_sampler import LandscapeSampler
      >>> samples = LandscapeSampler().sample_ising({}, {("a", "b"): 1.0}, num_reads=5)
      >>> print(samples.first.energy)
      -1.0
    """

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {
            name: []
            for name in (
                "num_reads", "num_sweeps", "beta_range", "beta_schedule", "seed",
                "initial_states", "initial_states_generator", "f", "threshold",
            )
        }  # fmt: skip

    @property
    def parameters(self) -> dict[str, Any]:
        return self._parameters

    @property
    def properties(self) -> dict[str, Any]:
        return {}

    def sample(
        self,
        bqm: dimod.BinaryQuadraticModel,
        *,
        num_reads: int | None = None,
        num_sweeps: int | None = None,
        beta_range: Sequence[float] | None = None,
        beta_schedule: Sequence[float] | None = None,
        seed: int | None = None,
        initial_states: Any = None,
        initial_states_generator: Any = "random",
        f: str | shapes.ScalarFn | None = None,
        threshold: Threshold | None = None,
        **others: Any,
    ) -> dimod.SampleSet:
        """The best state of each read; the class has the arguments."""
        self.remove_unknown_kwargs(**others)
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0] >> 1)
        seed = _checks.integer("seed", seed, least=0)
        start = self.parse_initial_states(
            bqm, initial_states, initial_states_generator, num_reads, seed
        ).initial_states
        if not bqm.num_variables:
            return start
        problem = from_bqm(bqm)
        model = problem.model
        columns = [start.variables.index(v) for v in problem.variables]
        ones = start.record.sample[:, columns] > 0
        betas, sweeps = _betas(model, num_sweeps, beta_range, beta_schedule)
        result = metropolis(
            model,
            model.flips(),
            jnp.where(ones, 1, -1).astype(model.couplings.dtype),
            jax.random.key(seed),
            steps=sweeps * model.n,
            temperature=betas,
            f=f,
            threshold=threshold,
            records=0,
        )
        samples = problem.array(result.best_x), problem.variables
        return dimod.SampleSet.from_samples_bqm(samples, bqm)


def _betas(
    model: Any, num_sweeps: Any, beta_range: Any, beta_schedule: Any
) -> tuple[Any, int]:
    """The schedule of temperatures, and the number of sweeps."""
    if beta_schedule is not None:
        betas = _positive("beta_schedule", beta_schedule)
        if beta_range is not None or num_sweeps not in (None, len(betas)):
            raise ValueError(
                "beta_schedule has one beta for each of num_sweeps, in place of "
                f"beta_range; got {len(betas)} betas, num_sweeps={num_sweeps} and "
                f"beta_range={beta_range}"
            )
        temperatures = jnp.asarray(1 / betas, float)
        return jax.tree_util.Partial(_of_sweep, temperatures, model.n), len(betas)
    num_sweeps = 1000 if num_sweeps is None else num_sweeps
    sweeps = _checks.integer("num_sweeps", num_sweeps, least=1)
    if beta_range is None:
        return None, sweeps
    betas = _positive("beta_range", beta_range)
    if len(betas) != 2:
        raise ValueError(f"beta_range must have two numbers, got {len(betas)}")
    first, last = 1 / betas
    return geometric(first, last, sweeps * model.n), sweeps


def _of_sweep(temperatures: jax.Array, n: int, step: Any) -> jax.Array:
    return temperatures[step // n]


def _positive(name: str, value: Any) -> np.ndarray:
    betas = _checks.float64(name, value)
    if (
        betas.ndim != 1
        or not len(betas)
        or not (np.isfinite(betas) & (betas > 0)).all()
    ):
        raise ValueError(
            f"{name} must be a sequence of positive numbers; got {_checks.shown(value)}"
        )
    return betas
