"""`anneal`: run many independent chains of a diffusion and keep their best points."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax.typing import ArrayLike

from landmod_jax import _shapes as shapes
from landmod_jax._thresholds import Threshold
from landmod_jax.annealing import _diffusion_kernel as diffusions
from landmod_jax.annealing import _driver as driver
from landmod_jax.annealing._diffusion_kernel import AnnealState, AtBounds, Trajectory
from landmod_jax.annealing._methods import METHODS, MethodName


class AnnealResult(NamedTuple):
    """What `anneal` returns.

    Attributes:
      best_x, best_value: the best point of each chain, (chains, d), and U there,
        (chains,).
      state: the state of all chains at the end.
      trajectory: records along the way.
    """

    best_x: jax.Array
    best_value: jax.Array
    state: AnnealState
    trajectory: Trajectory


def anneal(
    energy: Callable[[jax.Array], jax.Array],
    x0: ArrayLike | AnnealState,
    key: jax.Array,
    *,
    method: MethodName = "improved_kinetic",
    steps: int,
    step_size: ArrayLike,
    temperature: ArrayLike | optax.Schedule,
    f: str | shapes.ScalarFn | None = None,
    eps: ArrayLike | None = None,
    threshold: Threshold | None = None,
    bounds: Any = None,
    at_bounds: AtBounds = "reflect",
    records: int = 100,
    target: float | None = None,
    time_limit: float | None = None,
) -> AnnealResult:
    r"""Minimize `energy` by simulated annealing, with many chains at once.

    ====================  =======================================  ==================
    method                diffusion                                law at constant T
    ====================  =======================================  ==================
    "langevin"            (2.2) dX = −∇U dt + √(2T) dB             exp(−U/T)
    "kinetic"             (2.5) dX = Y dt,                         exp(−U/T)
                          dY = −Y/T dt − ∇U dt + √2 dB
    "improved"            (2.7) dX = −∇U dt                        exp(−H), ε = T
                          + √(2(f((U − c)₊) + T)) dB
    "improved_kinetic"    (2.8) dX = Y dt,                         exp(−H)
                          dY = −Y/T dt − T∇H dt + √2 dB
    ====================  =======================================  ==================

    H is the full H of (2.9), including its logarithm. The laws are stationary
    distributions at constant T and c. The overdamped methods use the Euler–Maruyama
    scheme. The kinetic methods start at rest and use BAOAB: half a kick, half a drift,
    exact friction and noise, half a drift, half a kick. Both cost one evaluation of U
    and ∇U per step, and one more at the start.

    The noise of a chain depends on the key, the step and the position of the chain, not
    on the number of chains. If a chain reaches a non-finite point, value or gradient,
    it stops at the point before and keeps its best point; `state.died` has the step.

    If the starting points are spread over devices, each chain stays on its device.

    Memory does not grow with `steps`. The function is pure, and you can jit it or map
    it. It compiles once per energy, schedule, method, f, threshold and set of shapes,
    and keeps the last 32 programs, with what their functions close over. A function
    that you create for each call, such as a lambda in a loop, is compiled each time. So
    is every call under a transformation, such as `jax.vmap`: jit the whole.

    To build a sampler of your own, use `diffusion_kernel`.

    `anneal` supports forward-mode derivatives (`jax.jvp`, `jax.jacfwd`) with respect to
    x0, the numbers, and what `energy` is bound to. It does not support reverse mode
    (`jax.grad`), which would have to store every step.

    Args:
      energy: U, a function from (d,) to a real scalar that JAX can differentiate. Bind
        parameters that vary from call to call with `jax.tree_util.Partial`.
      x0: starting points (chains, d), or the `state` of an earlier run. With the same
        key and settings, the resumed run equals an uninterrupted one, bit for bit.
      key: a `jax.random` key, of any implementation.
      method: one of METHODS.
      steps: at least 1.
      step_size: dt > 0, in the diffusion's units of time.
      temperature: T ≥ 0 in units of U, or a function of the step count: `logarithmic`,
        `geometric`, or any `optax.Schedule`. T > 0 for the kinetic methods. A schedule
        that ends at 0 stays there, or for the kinetic methods at 1.1e-19 in float32.
      f: shape of the modification, as in `landscape_modify`. The default differs: it is
        "bounded", because the theory of annealing requires a bounded f. For the
        improved methods only.
      eps: ε > 0 of (2.9), for "improved_kinetic" only; by default ε = T(t).
      threshold: the rule that sets c for each chain; by default `running_min()`. For
        the improved methods only. `landmod_jax.population()` makes one c for all
        chains.
      bounds: a tuple (low, high), each a scalar or (d,), or a `scipy.optimize.Bounds`:
        a box that no chain leaves.
      at_bounds: "reflect" reflects a chain and its momentum at the walls, once per
        drift, and clips it if it is still outside; "clip" stops it at the walls, where
        momentum across them becomes 0.
      records: number of points of each chain in the trajectory, at most one per step; 0
        for none.
      target: stop at the first record at which some chain's best value is at most this.
      time_limit: stop at the first record after so many seconds since the call, with
        compilation. Only how many steps there are depends on the clock: `state.step`
        has their number, and the run can be resumed. With either limit, and without
        records, a hundred checks take their place; more records make finer checks. A
        schedule cools by steps, so a run that stops early may still be hot. Neither
        limit works under `jax.jit` or another transformation.

    Returns:
      An `AnnealResult`.

    Raises:
      ValueError: an argument is none of the above, or `energy` does not return a
        scalar.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from landmod_jax import annealing
      >>> def rastrigin(x):
      ...     return 10 * x.size + (x**2 - 10 * jnp.cos(2 * jnp.pi * x)).sum()
      >>> key, start = jax.random.split(jax.random.key(0))
      >>> result = annealing.anneal(
      ...     rastrigin,
      ...     jax.random.uniform(start, (50, 2), minval=-5.12, maxval=5.12),
      ...     key,
      ...     method="improved",
      ...     steps=2000,
      ...     step_size=1e-3,
      ...     temperature=annealing.geometric(5.0, 0.01, steps=2000),
      ...     bounds=(-5.12, 5.12),
      ... )
      >>> print(f"{result.best_value.min():.2f} at {result.state.step}")
      0.00 at 2000

    References:
      Todea, Landscape Modification in Machine Learning Optimization, 2022, section 2.1.

      Leimkuhler and Matthews, Rational construction of stochastic numerical methods for
      molecular sampling, 2013, https://arxiv.org/abs/1203.5428 (BAOAB)
    """
    diffusion, numbers = diffusions.checked(
        method, step_size, f, eps, threshold, bounds, at_bounds
    )
    start = x0 if isinstance(x0, AnnealState) else None
    x = diffusions.points(x0 if start is None else start.x, numbers)
    _, state, trajectory = driver.drive(
        _run, diffusions.fresh, diffusions.started, (energy,), diffusion, x, start, key,
        steps, records, temperature, target, time_limit, *numbers,
        positive=METHODS[method].kinetic,
    )  # fmt: skip
    return AnnealResult(state.best_x, state.best_value, state, trajectory)


def _run(
    functions: tuple[Callable, Callable],
    diffusion: diffusions.Diffusion,
    ends: jax.Array,
    x: jax.Array,
    start: AnnealState | None,
    *rest: Any,
) -> tuple[jax.Array, AnnealState, Trajectory]:
    if start is None:
        start = diffusions.started(functions, diffusion, x)
    state, trajectory = diffusions.advanced(functions, diffusion, ends, start, *rest)
    return state.best_value, state, trajectory
