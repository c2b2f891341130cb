"""Chains of the four diffusions: their state, their loop, and the public kernel.

In the loop, the chains are last: with few dimensions, a CPU can vectorize only along
them.
"""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from landmod_jax import _checks
from landmod_jax import _shapes as shapes
from landmod_jax._numerics import for_each, held, held_eps
from landmod_jax._thresholds import Threshold, resolve, updated_chains
from landmod_jax.annealing import _arguments as arguments
from landmod_jax.annealing import _compiled as compiled
from landmod_jax.annealing import _kernel as kernels
from landmod_jax.annealing import _methods as methods
from landmod_jax.annealing import _noise as noise
from landmod_jax.annealing._kernel import Kernel
from landmod_jax.annealing._methods import METHODS, Local, MethodName

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


def diffusion_kernel(
    energy: Callable[[jax.Array], jax.Array],
    step_size: ArrayLike,
    *,
    method: MethodName = "improved_kinetic",
    f: str | shapes.ScalarFn | None = None,
    eps: ArrayLike | None = None,
    threshold: Threshold | None = None,
    bounds: Any = None,
    at_bounds: AtBounds = "reflect",
) -> Kernel:
    """The steps of `anneal`, to build samplers from.

    A loop over `step` with one key equals `anneal` with that key, whose states and
    these may be exchanged.

    Args:
      energy, step_size, method, f, eps, threshold, bounds, at_bounds: as in `anneal`.

    Returns:
      A `Kernel`: `init` takes points, (chains, d), and its states are `AnnealState`.

    Raises:
      ValueError: an argument is none of the above.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from landmod_jax import annealing
      >>> kernel = annealing.diffusion_kernel(
      ...     lambda x: (x**2).sum() / 2, step_size=0.1, method="kinetic"
      ... )
      >>> state = kernel.init(jnp.zeros((1000, 2)))
      >>> T = jnp.linspace(0.5, 1.5, 1000)  # of each chain
      >>> state = kernel.step(jax.random.key(0), state, T, steps=200)
      >>> print(f"{state.x.var():.1f}")  # their mean temperature
      1.0
    """
    diffusion, numbers = checked(
        method, step_size, f, eps, threshold, bounds, at_bounds
    )
    functions = (_checks.function("energy", energy, 1),)

    def init(x0: ArrayLike) -> AnnealState:
        x = points(x0, numbers)
        return compiled.call(started, functions, diffusion, x)

    return Kernel(
        init,
        kernels.step_of(AnnealState, fresh, _stepped, functions, diffusion, *numbers),
    )


class Diffusion(NamedTuple):
    """What a program is compiled for besides its functions."""

    method: MethodName
    shape: shapes.Shape
    threshold: Threshold
    at_bounds: AtBounds


def checked(
    method: Any,
    step_size: Any,
    f: Any,
    eps: Any,
    threshold: Any,
    bounds: Any,
    at_bounds: Any,
) -> tuple[Diffusion, tuple[Any, Any, Any]]:
    """The diffusion, and its numbers: step size, ε and walls."""
    _checks.choice("method", method, METHODS)
    for name, value in (("f", f), ("threshold", threshold)):
        if value is not None and not METHODS[method].modified:
            raise ValueError(
                f"{method!r} does not take {name}: only the improved methods do"
            )
    if eps is not None:
        if method != "improved_kinetic":
            raise ValueError(
                f"{method!r} does not take eps: only 'improved_kinetic' does"
            )
        eps = _checks.number("eps", eps, above=0)
    _checks.choice("at_bounds", at_bounds, get_args(AtBounds))
    step_size = _checks.number("step_size", step_size, above=0)
    shape = shapes.resolve("bounded" if f is None else f)
    rule = resolve(threshold)
    numbers = step_size, eps, arguments.box(bounds)
    return Diffusion(method, shape, rule, at_bounds), numbers


def points(x0: Any, numbers: tuple[Any, Any, Any]) -> jax.Array:
    """x0 as an array, within the walls."""
    x = arguments.points(x0)
    arguments.check_within(numbers[-1], x)
    return x


def started(functions: Any, diffusion: Diffusion, x: jax.Array) -> AnnealState:
    """The state of new chains at x."""
    energy, *_ = functions
    state = _transposed(fresh(functions, diffusion, x))
    return _transposed(_arrived(energy, diffusion, state, state.x, state.y))


def _stepped(
    functions: Any, diffusion: Diffusion, steps: int, *rest: Any
) -> AnnealState:
    ends = np.array([0, steps], np.int32)
    return advanced(functions, diffusion, ends, *rest)[0]


def advanced(
    functions: tuple[Callable, Callable],
    diffusion: Diffusion,
    ends: jax.Array | np.ndarray,
    state: AnnealState,
    key: jax.Array,
    step_size: ArrayLike,
    eps: ArrayLike | None,
    box: Any,
) -> tuple[AnnealState, Trajectory]:
    """The state after ends[-1] steps, and records after ends[1:]."""
    energy, schedule = functions
    method, dtype = METHODS[diffusion.method], state.x.dtype
    dt = jnp.asarray(step_size, dtype)
    words = noise.words(key)
    if box is not None:
        d = state.x.shape[1:]
        box = [jnp.broadcast_to(side.astype(dtype), d)[:, None] for side in box]
    bound = functools.partial(_bounded, box, diffusion.at_bounds)

    def terms(state: AnnealState, step: jax.Array) -> Any:
        T = held(jnp.asarray(schedule(step), dtype))
        T = T[None] if T.ndim else T
        if method.kinetic:
            T = held_eps(T, dtype)  # its friction is 1/T
        zero = jnp.zeros((), dtype)
        f, slope = zero, zero
        if method.modified:
            value, c = state.value[None], state.c[None]
            f, slope = methods.height_above(diffusion.shape, value, c)
        e = T if eps is None else jnp.asarray(eps, dtype)
        coefficients = methods.kinetic if method.kinetic else methods.overdamped
        return coefficients(state.grad, Local(T, e, f, slope))

    def move(state: AnnealState) -> tuple[jax.Array, Any]:
        d, chains = state.x.shape
        normal = noise.normal(words, state.step, d, chains, dtype)
        now = terms(state, state.step)
        return methods.move(now, state.x, state.y, dt, normal, bound)

    def finish(state: AnnealState, moved: Any) -> AnnealState:
        step = state.step
        state = state._replace(step=step + 1)
        state = _arrived(energy, diffusion, state, *moved)
        if state.y is None:
            return state
        y = methods.finish(terms(state, step), state.y, dt)
        return state._replace(y=jnp.where(state.alive, y, state.y))

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

    state = _transposed(state)
    (state, _), trajectory = jax.lax.scan(
        record, (state, move(state)), (ends[:-1], ends[1:])
    )
    return _transposed(state), trajectory


def _arrived(
    energy: Callable,
    diffusion: Diffusion,
    state: AnnealState,
    new_x: jax.Array,
    new_y: jax.Array | None,
) -> AnnealState:
    """The state at new_x, with c, the best points and the dead chains updated."""
    dtype = new_x.dtype
    arguments.check_energy(energy, jax.ShapeDtypeStruct(new_x.shape[:1], dtype))
    value_and_grad = jax.value_and_grad(lambda x: jnp.asarray(energy(x), dtype))
    new_value, new_grad = jax.vmap(value_and_grad, -1, (0, -1))(new_x)
    fine = jnp.isfinite(new_value) & jnp.isfinite(new_x).all(0)
    better = state.alive & fine & (new_value < state.best_value)
    fine &= jnp.isfinite(new_grad).all(0)
    alive = state.alive & fine
    c, kept = state.c, state.threshold
    if METHODS[diffusion.method].modified:
        # What dead chains would have reached does not count for a population.
        told = jnp.where(alive, new_value, jnp.nan)
        c, kept = updated_chains(diffusion.threshold, kept, told, c)
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


def fresh(functions: Any, diffusion: Diffusion, x: jax.Array) -> AnnealState:
    """The state at x before U is known there."""
    del functions
    method = METHODS[diffusion.method]
    per_chain = functools.partial(for_each, x[:, 0])  # on the chain's device
    zero, infinite = (jnp.asarray(number, x.dtype) for number in (0, jnp.inf))
    zeros = for_each(x, zero)
    learned = diffusion.threshold.init(x.dtype) if method.modified else ()
    return AnnealState(
        step=jnp.zeros((), jnp.int32),
        x=x,
        y=zeros if method.kinetic else None,
        value=per_chain(infinite),
        grad=zeros,
        c=per_chain(infinite),
        threshold=jax.tree.map(per_chain, learned),
        best_x=x,
        best_value=per_chain(infinite),
        died=per_chain(jnp.asarray(-1, jnp.int32)),
    )


def _transposed(state: AnnealState) -> AnnealState:
    names = ("x", "grad", "best_x") + (() if state.y is None else ("y",))
    return state._replace(**{name: getattr(state, name).T for name in names})


def _bounded(box: Any, at_bounds: str, x: jax.Array, y: Any) -> tuple[jax.Array, Any]:
    if box is None:
        return x, y
    low, high = box
    outside = (x < low) | (x > high)
    if at_bounds == "reflect":
        x = jnp.where(x < low, 2 * low - x, jnp.where(x > high, 2 * high - x, x))
        turned = None if y is None else jnp.where(outside, -y, y)
    else:
        turned = None if y is None else jnp.where(outside, 0, y)
    return jnp.clip(x, low, high), turned
