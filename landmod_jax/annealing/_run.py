"""`anneal`: run many independent chains of a diffusion and keep their best points."""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from landmod_jax import _checks
from landmod_jax import _shapes as shapes
from landmod_jax._numerics import for_each, held, held_eps
from landmod_jax._thresholds import Threshold, running_min, updated_chains
from landmod_jax._transform import _checked_threshold
from landmod_jax.annealing import _arguments as arguments
from landmod_jax.annealing import _driver as driver
from landmod_jax.annealing import _noise as noise
from landmod_jax.annealing._methods import (
    METHODS,
    Local,
    Method,
    MethodName,
    SchemeName,
    height_above,
)

AtBounds = Literal["reflect", "clip"]


class AnnealState(NamedTuple):
    """The state of all chains. Pass it to `anneal` in place of x0 to resume.

    Attributes:
      step: steps so far, int32.
      x: (chains, d).
      y: momentum, (chains, d); None for methods without momentum.
      value, grad: U and ∇U at x, (chains,) and (chains, d).
      c: the threshold, (chains,); +inf for methods without one.
      threshold: the threshold's own state.
      best_x, best_value: (chains, d) and (chains,), over x0 and all steps; best_value
        is +inf for a chain that has never seen a finite value.
      died: the step at which a chain reached a non-finite value, (chains,) int32; -1
        while it is alive.
    """

    step: jax.Array
    x: jax.Array
    y: jax.Array | None
    value: jax.Array
    grad: jax.Array
    c: jax.Array
    threshold: optax.OptState
    best_x: jax.Array
    best_value: jax.Array
    died: jax.Array

    @property
    def alive(self) -> jax.Array:
        """(chains,) bool."""
        return self.died < 0


class Trajectory(NamedTuple):
    """Records of a run; the last one is its end.

    Attributes:
      step: (records,) int32, as evenly spaced as whole steps can be.
      x: (records, chains, d).
      value, best_value: (records, chains).
    """

    step: jax.Array
    x: jax.Array
    value: jax.Array
    best_value: jax.Array


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
    scheme: SchemeName | None = None,
    records: int = 100,
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
    scheme. The kinetic methods use BAOAB: half a kick, half a drift, exact friction and
    noise, half a drift, half a kick. Euler's scheme is also available for them. But the
    friction 1/T grows without bound as T falls, and Euler's scheme diverges once
    step_size > 2T. Every scheme costs one evaluation of U and ∇U per step, and one more
    at the start. Chains of the kinetic methods start at rest.

    The noise of a chain depends on the key, the step and the position of the chain, not
    on the number of chains. If a chain reaches a non-finite point, value or gradient,
    it stops at the point before and keeps its best point; `state.died` has the step.

    If the starting points are spread over devices, each chain stays on its device.

    Memory does not grow with `steps`. The function is pure, and you can jit it or map
    it. It compiles once per energy, schedule, method, f, threshold and set of shapes,
    and keeps the last 64 programs; a program is dropped with its energy or schedule. A
    function that you create for each call, such as a lambda in a loop, is compiled each
    time. So is every call under a transformation, such as `jax.vmap`: jit the whole.

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
      bounds: (low, high), each a scalar or (d,): a box that no chain leaves. Or, as in
        SciPy, a pair (low, high) for each coordinate, or a `scipy.optimize.Bounds`. For
        two coordinates, lists that could mean either are an error.
      at_bounds: "reflect" reflects a chain and its momentum at the walls, once per
        drift, and clips it if it is still outside; "clip" stops it at the walls, where
        momentum across them becomes 0.
      scheme: "euler"; for the kinetic methods, "baoab" (the default) or "euler".
      records: number of points of each chain in the trajectory, at most one per step; 0
        for none.

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
    how = arguments.method_of(method, scheme, f, eps, threshold)
    used = next(iter(how.schemes)) if scheme is None else scheme
    _checks.choice("at_bounds", at_bounds, get_args(AtBounds))
    step_size = _checks.number("step_size", step_size, above=0)
    if eps is not None:
        eps = _checks.number("eps", eps, above=0)
    shape = shapes.resolve("bounded" if f is None else f)
    if threshold is None:
        threshold = running_min()
    else:
        _checked_threshold(threshold)
    start = x0 if isinstance(x0, AnnealState) else None
    x = arguments.points(x0 if start is None else start.x)
    box = None if bounds is None else arguments.box(bounds, x)
    settings = Settings(method, used, shape, threshold, at_bounds)

    def fresh(x: jax.Array) -> AnnealState:
        return _transposed(_initial(x, how, threshold))

    state, trajectory = driver.drive(
        _run, (energy,), settings, threshold, x, start, fresh, key, steps, records,
        temperature, step_size, eps, box, positive=how.kinetic,
    )  # fmt: skip
    return AnnealResult(state.best_x, state.best_value, state, trajectory)


class Settings(NamedTuple):
    """What `_run` is compiled for besides its functions."""

    method: MethodName
    scheme: SchemeName
    shape: shapes.Shape
    threshold: Threshold
    at_bounds: AtBounds


def _run(
    functions: tuple[Callable, Callable],
    settings: Settings,
    x: jax.Array,
    start: AnnealState | None,
    key: jax.Array,
    ends: jax.Array,
    step_size: ArrayLike,
    eps: ArrayLike | None,
    box: Any,
) -> tuple[AnnealState, Trajectory]:
    energy, schedule = functions
    method, scheme, shape, threshold, at_bounds = settings
    how, dtype = METHODS[method], x.dtype
    arguments.check_energy(energy, jax.ShapeDtypeStruct(x.shape[1:], dtype))
    value_and_grad = jax.value_and_grad(lambda x: jnp.asarray(energy(x), dtype))
    # Chains last: with few dimensions, a CPU can vectorize only along them.
    evaluate = jax.vmap(value_and_grad, in_axes=-1, out_axes=(0, -1))
    integrator = how.schemes[scheme]
    dt = jnp.asarray(step_size, dtype)
    key_words = noise.words(key)
    bound = functools.partial(_bounded, box, at_bounds)

    def terms(state: AnnealState) -> Any:
        T = held(jnp.asarray(schedule(state.step), dtype))
        if how.kinetic:
            T = held_eps(T, dtype)  # its friction is 1/T
        zero = jnp.zeros((), dtype)
        f, slope = zero, zero
        if how.modified:
            f, slope = height_above(shape, state.value[None], state.c[None])
        e = T if eps is None else jnp.asarray(eps, dtype)
        return how.coefficients(state.grad, Local(T, e, f, slope))

    def arrive(state: AnnealState, new_x: jax.Array, new_y: Any) -> AnnealState:
        """The state at new_x, with c, the best points and the dead chains updated."""
        new_value, new_grad = evaluate(new_x)
        fine = jnp.isfinite(new_value) & jnp.isfinite(new_x).all(0)
        better = state.alive & fine & (new_value < state.best_value)
        fine &= jnp.isfinite(new_grad).all(0)
        alive = state.alive & fine
        c, kept = state.c, state.threshold
        if how.modified:
            # What dead chains would have reached does not count for a population.
            told = jnp.where(alive, new_value, jnp.nan)
            c, kept = updated_chains(threshold, kept, told, c)
        x, y, value, grad = jax.tree.map(
            lambda new, old: jnp.where(alive, new, old),
            (new_x, new_y, new_value, new_grad),
            (state.x, state.y, state.value, state.grad),
        )
        return AnnealState(
            step=state.step,
            x=x,
            y=y,
            value=value,
            grad=grad,
            c=c,
            threshold=kept,
            best_x=jnp.where(better, new_x, state.best_x),
            best_value=jnp.where(better, new_value, state.best_value),
            died=jnp.where(state.alive & ~fine, state.step, state.died),
        )

    def move(state: AnnealState) -> tuple[jax.Array, Any]:
        d, chains = state.x.shape
        normal = noise.normal(key_words, state.step, d, chains, dtype)
        return integrator.move(terms(state), state.x, state.y, dt, normal, bound)

    def finish(state: AnnealState, moved: Any) -> AnnealState:
        new = arrive(state._replace(step=state.step + 1), *moved)
        if new.y is None:
            return new
        y = integrator.finish(terms(new._replace(step=state.step)), new.y, dt)
        return new._replace(y=jnp.where(new.alive, y, new.y))

    def body(_: Any, carry: Any) -> Any:
        state = finish(*carry)
        return state, move(state)

    # A loop writes out what it carries, but XLA may compute other values once for each
    # use. So the moved points are carried, and a step ends in the middle.
    def record(carry: Any, edges: Any) -> tuple[Any, Trajectory]:
        begin, end = edges
        carry = jax.lax.fori_loop(begin, end, body, carry)
        state = carry[0]
        return carry, Trajectory(state.step, state.x.T, state.value, state.best_value)

    if start is None:
        state = _initial(x, how, threshold)
        state = arrive(state, state.x, state.y)
    else:
        state = _transposed(start)
    (state, _), trajectory = jax.lax.scan(
        record, (state, move(state)), (ends[:-1], ends[1:])
    )
    return _transposed(state), trajectory


def _initial(x: jax.Array, how: Method, threshold: Threshold) -> AnnealState:
    """The state at x before U is known there, chains last."""
    x = x.T
    each = x[0]  # one number per chain, on the chain's device
    zero, infinite = (jnp.asarray(number, x.dtype) for number in (0, jnp.inf))
    return AnnealState(
        step=jnp.zeros((), jnp.int32),
        x=x,
        y=for_each(x, zero) if how.kinetic else None,
        value=for_each(each, infinite),
        grad=for_each(x, zero),
        c=for_each(each, infinite),
        threshold=jax.tree.map(
            functools.partial(for_each, each),
            threshold.init(x.dtype) if how.modified else (),
        ),
        best_x=x,
        best_value=for_each(each, infinite),
        died=for_each(each, jnp.asarray(-1, jnp.int32)),
    )


def _transposed(state: AnnealState) -> AnnealState:
    names = ("x", "grad", "best_x") + (() if state.y is None else ("y",))
    return state._replace(**{name: getattr(state, name).T for name in names})


def _bounded(box: Any, at_bounds: str, x: jax.Array, y: Any) -> tuple[jax.Array, Any]:
    if box is None:
        return x, y
    low, high = (side[:, None] for side in box)
    outside = (x < low) | (x > high)
    if at_bounds == "reflect":
        x = jnp.where(x < low, 2 * low - x, jnp.where(x > high, 2 * high - x, x))
        turned = None if y is None else jnp.where(outside, -y, y)
    else:
        turned = None if y is None else jnp.where(outside, 0, y)
    return jnp.clip(x, low, high), turned
