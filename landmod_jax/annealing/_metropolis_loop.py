"""The loop of `metropolis`, with the chains last.

A loop's carry is updated in place where nothing reads what is written over. So an
accepted move is not applied to x in the step that proposes it but at the start of the
next one, ahead of everything that reads x; until then the carry has it pending.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landmod_jax import _shapes as shapes
from landmod_jax._landscape import integral_from_c
from landmod_jax._numerics import at_height, held_eps
from landmod_jax._thresholds import CHAINS, Threshold, updated
from landmod_jax.annealing import _noise as noise
from landmod_jax.annealing._moves import Moves, Whole, draws, log_uniforms
from landmod_jax.annealing._numerics import for_each, held

# Steps, an even number, whose uniforms are drawn at once, and whose acceptances are
# kept to find the best state among them again.
BLOCK = 128
# Steps after which an incremental U is computed anew, since rounding adds up.
REFRESH = 256 * BLOCK


class MetropolisState(NamedTuple):
    """The state of all chains. Pass it to `metropolis` in place of x0 to resume.

    Attributes:
      step: steps so far, int32.
      x: the chains' states, with a leading axis of chains in each leaf.
      value: U at x, (chains,).
      c: the threshold, (chains,); +inf without modification.
      threshold: the threshold's own state.
      best_x, best_value: as x and value, over x0 and all steps; best_value is +inf for
        a chain that has never been at a finite value.
      accepted: accepted proposals so far, (chains,) int32.
    """

    step: Any
    x: Any
    value: Any
    c: Any
    threshold: Any
    best_x: Any
    best_value: Any
    accepted: Any


class MetropolisTrajectory(NamedTuple):
    """Evenly spaced records of a run; the last one is its end.

    Attributes:
      step: (records,) int32.
      x: states, with leading axes (records, chains) in each leaf.
      value, best_value, c: (records, chains).
    """

    step: Any
    x: Any
    value: Any
    best_value: Any
    c: Any


class Law(NamedTuple):
    """What makes H of U: everything but c and T."""

    shape: shapes.Shape | None  # None for U itself
    threshold: Threshold
    logarithm: bool


class _Going(NamedTuple):
    """The state, whose x lacks the pending move."""

    state: MetropolisState
    move: Any
    pending: jax.Array  # whether it was accepted and is not applied yet


def rise(
    law: Law,
    value: jax.Array,
    change: jax.Array,
    new_value: jax.Array,
    c: jax.Array,
    T: jax.Array,
) -> jax.Array:
    """H(y) − H(x) with ε = T, from U(x), U(y) − U(x) and U(y); one c for both."""
    eps = held_eps(T, value.dtype)
    if law.shape is None:
        return change / eps
    eps = jnp.broadcast_to(eps, value.shape)
    low, high = value - c, new_value - c
    at_c = law.shape(jnp.zeros_like(low)) + eps
    both_below = (low <= 0) & (high <= 0)
    below = jnp.where(both_below, change, jnp.minimum(high, 0) - jnp.minimum(low, 0))
    above = [
        integral_from_c(law.shape, jnp.where(both_below, 0, jnp.maximum(h, 0)), eps)
        for h in (low, high)
    ]
    delta = below / at_c + (above[1] - above[0])
    if law.logarithm:
        at_low, at_high = (at_height(law.shape, h) + eps for h in (low, high))
        delta += jnp.log(at_high / at_low)
    return delta


def initial(x: Any, value: jax.Array, law: Law) -> MetropolisState:
    """The state at x, where U is `value`."""
    fill = functools.partial(for_each, value)
    seen = jnp.isfinite(value)
    c, kept = fill(jnp.asarray(jnp.inf, value.dtype)), ()
    if law.shape is not None:
        kept = jax.tree.map(fill, law.threshold.init(value.dtype))
        c, kept = _updated(law, kept, value, c)
    return MetropolisState(
        step=jnp.zeros((), jnp.int32),
        x=x,
        value=value,
        c=c,
        threshold=kept,
        best_x=x,
        best_value=jnp.where(seen, value, jnp.inf),
        accepted=fill(jnp.zeros((), jnp.int32)),
    )


def _updated(law: Law, kept: Any, value: jax.Array, c: jax.Array) -> tuple[Any, Any]:
    """c and the threshold's state of all chains; those of no finite value keep them."""
    update = jax.vmap(functools.partial(updated, law.threshold), axis_name=CHAINS)
    if law.threshold.share is not None:
        return update(kept, value, c)
    seen = jnp.isfinite(value)
    new_c, new = update(kept, jnp.where(seen, value, 1), c)
    return jnp.where(seen, new_c, c), jax.tree.map(
        # A threshold's own state has the chains first.
        lambda n, o: jnp.where(seen, n.T, o.T).T,
        new,
        kept,
    )


def run(
    energy: Callable,
    moves: Moves | Whole,
    schedule: Callable,
    x: Any,
    start: MetropolisState | None,
    key: jax.Array,
    ends: jax.Array,
    *,
    law: Law,
) -> tuple[MetropolisState, MetropolisTrajectory]:
    evaluate = jax.vmap(energy, in_axes=-1)
    words = noise.words(key)
    if start is None:
        x = chains_last(x)
        state = initial(x, evaluate(x), law)
    else:
        state = _turned(start, chains_last)
    (chains,), dtype = state.value.shape, state.value.dtype
    draws_at = functools.partial(draws, words, chains=chains)

    def begun(state: MetropolisState) -> _Going:
        move = moves.propose(draws_at(state.step), state.x, state.step)
        none = for_each(state.value, jnp.zeros((), bool))
        return _Going(state, move, none)

    def settled(going: _Going) -> MetropolisState:
        x = moves.apply(going.state.x, going.move, going.pending)
        return going.state._replace(x=x)

    def body(going: _Going, log_u: jax.Array) -> tuple[_Going, jax.Array]:
        """One step, and the chains whose best it is."""
        state = settled(going)
        step, x, value, c = state.step, state.x, state.value, state.c
        move = moves.propose(draws_at(step), x, step)
        if isinstance(moves, Whole):
            new_value = evaluate(move)
            change = new_value - value
        else:
            change = moves.change(x, move).astype(dtype)
            new_value = value + change
        T = held(jnp.asarray(schedule(step), dtype))
        accepted = log_u <= -rise(law, value, change, new_value, c, T)
        accepted = (accepted | ~jnp.isfinite(value)) & jnp.isfinite(new_value)
        value = jnp.where(accepted, new_value, value)
        kept = state.threshold
        if law.shape is not None:
            c, kept = _updated(law, kept, value, c)
        better = accepted & (value < state.best_value)
        following = state._replace(
            step=step + 1,
            value=value,
            c=c,
            threshold=kept,
            best_value=jnp.where(better, value, state.best_value),
            accepted=state.accepted + accepted,
        )
        return _Going(following, move, accepted), better

    def by_whole(first: jax.Array, last: jax.Array, state: Any, log_u: Any) -> Any:
        def one(step: jax.Array, going: _Going) -> _Going:
            going, better = body(going, log_u(step))
            best_x = _where(better, going.move, going.state.best_x)
            return going._replace(state=going.state._replace(best_x=best_x))

        return settled(jax.lax.fori_loop(first, last, one, begun(state)))

    def by_parts(first: jax.Array, last: jax.Array, state: Any, log_u: Any) -> Any:
        """The best state is found again, by repeating the steps on the way to it."""

        def one(step: jax.Array, carry: Any) -> Any:
            going, best_at, flags = carry
            going, better = body(going, log_u(step))
            flags = jax.lax.dynamic_update_index_in_dim(
                flags, going.pending, step - first, 0
            )
            return going, jnp.where(better, step + 1, best_at), flags

        best_at = for_each(state.value, jnp.zeros((), jnp.int32)) + first
        none = for_each(state.value, jnp.zeros((), bool))
        flags = jnp.broadcast_to(none, (BLOCK, chains))
        x_first, carry = state.x, (begun(state), best_at, flags)
        going, best_at, flags = jax.lax.fori_loop(first, last, one, carry)
        state = settled(going)

        def repeat(step: jax.Array, carry: Any) -> Any:
            x = moves.apply(*carry)
            move = moves.propose(draws_at(step), x, step)
            flag = jax.lax.dynamic_index_in_dim(flags, step - first, 0, False)
            return x, move, flag & (step < best_at)

        def found() -> Any:
            move = moves.propose(draws_at(first), x_first, first)
            carry = (x_first, move, none)
            x = moves.apply(*jax.lax.fori_loop(first, best_at.max(), repeat, carry))
            return _where(best_at > first, x, state.best_x)

        best_x = jax.lax.cond((best_at > first).any(), found, lambda: state.best_x)
        value = jax.lax.cond(
            last % REFRESH == 0, lambda: evaluate(state.x), lambda: state.value
        )
        return state._replace(value=value, best_x=best_x)

    advance = by_whole if isinstance(moves, Whole) else by_parts

    def block(end: jax.Array, state: MetropolisState) -> MetropolisState:
        """The steps up to `end` or to the next multiple of BLOCK."""
        begin = state.step // BLOCK * BLOCK
        table = log_uniforms(words, begin, BLOCK, chains, dtype)

        def log_u(step: jax.Array) -> jax.Array:
            return jax.lax.dynamic_index_in_dim(table, step - begin, 0, False)

        # Not min(end, begin + BLOCK), which may be above what an int32 holds.
        last = begin + jnp.minimum(end - begin, BLOCK)
        return advance(state.step, last, state, log_u)

    def record(state: MetropolisState, end: jax.Array) -> Any:
        state = jax.lax.while_loop(
            lambda state: state.step < end, functools.partial(block, end), state
        )
        seen = chains_first(state.x), state.value, state.best_value, state.c
        return state, MetropolisTrajectory(state.step, *seen)

    state, trajectory = jax.lax.scan(record, state, state.step + ends[1:])
    return _turned(state, chains_first), trajectory


def _where(which: jax.Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda n, o: jnp.where(which, n, o), new, old)


def chains_last(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), tree)


def chains_first(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), tree)


def _turned(state: MetropolisState, turn: Callable) -> MetropolisState:
    return state._replace(x=turn(state.x), best_x=turn(state.best_x))
