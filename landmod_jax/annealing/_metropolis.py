"""`metropolis`: many independent Metropolis chains on U or on the modified H."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from landmod_jax import _checks
from landmod_jax import _shapes as shapes
from landmod_jax._thresholds import Threshold
from landmod_jax.annealing import _cooling as cooling
from landmod_jax.annealing import _driver as driver
from landmod_jax.annealing import _metropolis_kernel as kernel
from landmod_jax.annealing._metropolis_loop import (
    Law,
    MetropolisState,
    MetropolisTrajectory,
)
from landmod_jax.annealing._moves import Moves
from landmod_jax.annealing.spins import Ising, Potts


class MetropolisResult(NamedTuple):
    """What `metropolis` returns.

    Attributes:
      best_x, best_value: the best state of each chain, with a leading axis of chains in
        each leaf, and U there, (chains,), as `energy` returns it; +inf for a chain that
        has never had a finite value.
      state: the state of all chains at the end.
      trajectory: records along the way.
    """

    best_x: Any
    best_value: Any
    state: MetropolisState
    trajectory: MetropolisTrajectory


def metropolis(
    energy: Callable[[Any], jax.Array],
    propose: Callable[[jax.Array, Any], Any] | Moves,
    x0: Any,
    key: jax.Array,
    *,
    steps: int,
    temperature: Any = None,
    f: str | shapes.ScalarFn | None = None,
    threshold: Threshold | None = None,
    logarithm: bool = False,
    records: int = 100,
    target: float | None = None,
    time_limit: float | None = None,
) -> MetropolisResult:
    r"""Sample or minimize `energy` by the Metropolis algorithm, with many chains.

    A proposal y from x is accepted with probability min(1, exp(−ΔH)), where

    .. math::
      \Delta H = \int_{U(x)}^{U(y)} \frac{du}{f((u - c)_+) + T}.

    Without f, this is ΔU / T and the stationary law at constant T is exp(−U/T). With f,
    it is exp(−H) at constant T and c. Below c, both are the same; above it, hills are
    lower. A chain tends to its law if it can get from each state to each other one in
    every large enough number of steps. So it should now and then stay where it is: with
    this rule, two uncoupled spins change at every step, forever.

    The flips of spin models use the heat bath instead, with probability
    1 / (1 + exp(ΔH)). They have the same stationary law, and tend to it from every
    start. A `Moves` object may choose either rule.

    The temperature takes the place of ε, as in the theory (Choi 2020) and in the
    "improved" method of `anneal`. So f has the units of U, as T does. As T falls, the
    landscape above c keeps the finite slope 1/f, while the landscape below c steepens.

    ΔH comes from the closed form of the shape, if it has one, and otherwise from
    quadrature. Both energies are evaluated with the same c, which is updated after the
    decision with the energy of the chain's new state.

    The randomness of a chain depends on the key, the step and the position of the
    chain, not on the number of chains. A proposal whose energy is not finite is
    rejected, so +inf marks forbidden states. A chain that starts in one accepts the
    first finite proposal of a function; with a `Moves` object it stays there, because
    changes of an infinite energy say nothing.

    Memory, transformations and compilation are as for `anneal`: create energies,
    proposals and schedules once, outside the loop that calls this function. To build a
    sampler of your own, use `metropolis_kernel`.

    Args:
      energy: U, a function from one chain's state to a real floating-point scalar. Bind
        parameters that vary from call to call with `jax.tree_util.Partial`, or make it
        a callable pytree, as the models of `annealing.spins` are.
      propose: a function from a `jax.random` key and a state to a new state, which must
        be symmetric: as likely to lead from y to x as from x to y. Or a `Moves` object
        with incremental energies, such as the `flips()` of a spin model.
      x0: the chains' states, any pytree of arrays with a leading axis of chains; or the
        `state` of an earlier run. With the same key and settings, the resumed run
        equals an uninterrupted one, bit for bit.
      key: a `jax.random` key, of any implementation.
      steps: proposals for each chain, at least 1.
      temperature: T ≥ 0 in units of U, or a function of the step count: `logarithmic`,
        `geometric`, or any `optax.Schedule`. The smallest T used is 1.1e-19 in float32.
        By default, for a model of `annealing.spins` and a new run,
        `geometric(*energy.temperatures(), steps)`, the rule of dwave-samplers.
      f: shape of the modification, as in `landscape_modify`. The default differs: there
        is none, because chains on U itself are what most callers sample.
      threshold: the rule that sets c for each chain; by default `running_min()`. Use
        `constant` to sample: while c moves, there is no stationary distribution.
        `landmod_jax.population()` makes one c for all chains. Only with f.
      logarithm: sample the full H of (2.9), which adds ln(f((U − c)₊) + T): the law of
        the improved methods of `anneal`. Only with f.
      records: number of points of each chain in the trajectory; 0 for none.
      target, time_limit: as in `anneal`.

    Returns:
      A `MetropolisResult`.

    Raises:
      ValueError: an argument is none of the above, or `energy` or `propose` does not
        return what it should.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from landmod_jax import annealing
      >>> def energy(x):  # integers, with two valleys
      ...     return jnp.minimum(abs(x + 20), abs(x - 20) + 3).astype(float)
      >>> def propose(key, x):
      ...     return x + 2 * jax.random.bernoulli(key).astype(int) - 1
      >>> result = annealing.metropolis(
      ...     energy,
      ...     propose,
      ...     jnp.full((10,), 20),
      ...     jax.random.key(0),
      ...     steps=10_000,
      ...     temperature=1.0,
      ...     f="linear",
      ... )
      >>> print(result.best_value.min(), result.best_x.min())
      0.0 -20

    References:
      Choi, Improved Metropolis–Hastings algorithms via landscape modification with
      applications to simulated annealing and the Curie–Weiss model, 2020,
      https://arxiv.org/abs/2011.09680
    """
    law = kernel.law_of(f, threshold, logarithm)
    functions = kernel.checked(energy, propose)
    start = x0 if isinstance(x0, MetropolisState) else None
    x = kernel.points(x0 if start is None else start.x, functions)
    if temperature is None:
        temperature = _cooling(energy, start, steps)
    best_value, state, trajectory = driver.drive(
        _run, kernel.started, kernel.started, functions, law, x, start, key, steps,
        records, temperature, target, time_limit,
    )  # fmt: skip
    return MetropolisResult(state.best_x, best_value, state, trajectory)


def _cooling(energy: Any, start: MetropolisState | None, steps: Any) -> Any:
    if not isinstance(energy, (Ising, Potts)) or start is not None:
        raise ValueError(
            "temperature must be a number or a schedule: only a new run of a model of "
            "annealing.spins has a default"
        )
    first, last = energy.temperatures()
    return cooling.geometric(first, last, _checks.integer("steps", steps, least=1))


def _run(
    functions: tuple[Callable, Any, Callable],
    law: Law,
    ends: jax.Array,
    x: Any,
    start: MetropolisState | None,
    key: jax.Array,
) -> tuple[jax.Array, MetropolisState, MetropolisTrajectory]:
    if start is None:
        start = kernel.started(functions, law, x)
    return kernel.advanced(functions, law, ends, start, key)
