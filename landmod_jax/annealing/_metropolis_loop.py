"""The loop of `metropolis`, with the chains last.

XLA updates a loop's carry in place if nothing reads what is overwritten. It writes out
what is carried, but may compute other values once for each use. So a step begins in the
middle: it decides on the move in the carry, with its change of U, applies the move to
x, and proposes the next move from there.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _shapes as shapes
from landmod_jax._landscape import integral_between
from landmod_jax._numerics import at_height, for_each, held, held_eps, widened
from landmod_jax._thresholds import Threshold, updated_chains
from landmod_jax.annealing import _noise as noise
from landmod_jax.annealing._moves import (
    Acceptance,
    Moves,
    Whole,
    acceptance_of,
    draws,
    of_chains,
    uniforms,
)

BLOCK = 128
# Incremental energies are recomputed after this many steps for each number of a state,
# because rounding accumulates.
REFRESH = 32


class MetropolisState(NamedTuple):
    """The state of all chains. Pass it to `metropolis` in place of x0 to resume.

    Attributes:
      step: steps so far, int32.
      x: the chains' states, with a leading axis of chains in each leaf.
      value: U at x, (chains,).
      c: the threshold, (chains,); +inf without modification.
      threshold: the threshold's own state.
      best_x, best_value: like x and value, over x0 and all steps; best_value is +inf
        for a chain that has never had a finite value.
      accepted: accepted proposals so far, (chains,) int32.

    With a `Moves` object, value and best_value are sums of changes, rounded at each
    step. They are computed afresh at least every 32 steps for each number of a state
    (in whole blocks of 128 steps).
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
    """What turns U into H, except for c and T."""

    shape: shapes.Shape | None  # None for U itself
    threshold: Threshold
    logarithm: bool


class _Going(NamedTuple):
    """The state, and the next move to decide on, with its U(y) − U(x)."""

    state: MetropolisState
    move: Any
    change: jax.Array


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
    eps = eps if eps.ndim else for_each(value, eps)
    low, high = value - c, new_value - c
    at_c = law.shape(jnp.zeros_like(low)) + eps
    both_below = (low <= 0) & (high <= 0)
    below = jnp.where(both_below, change, jnp.minimum(high, 0) - jnp.minimum(low, 0))
    low_above, high_above = jnp.maximum(low, 0), jnp.maximum(high, 0)
    above = integral_between(law.shape, low_above, high_above, eps)
    delta = below / at_c + above
    if law.logarithm:
        at_low, at_high = (at_height(law.shape, h) + eps for h in (low, high))
        delta += jnp.log(at_high / at_low)
    return delta


def probability(rise: jax.Array, acceptance: Acceptance) -> jax.Array:
    """Of accepting a proposal whose H is higher by `rise`; 1 or more is certain."""
    if acceptance == "heat_bath":
        return 1 / (1 + jnp.exp(rise))
    return jnp.exp(-rise)


def started(energy: Callable, law: Law, x: Any) -> MetropolisState:
    """The state of new chains at x."""
    x = chains_last(x)
    value = _evaluated(energy, x)
    fill = functools.partial(for_each, value)
    c, kept = fill(jnp.asarray(jnp.inf, value.dtype)), ()
    if law.shape is not None:
        kept = jax.tree.map(fill, law.threshold.init(value.dtype))
        c, kept = updated_chains(law.threshold, kept, value, c)
    x = chains_first(x)
    return MetropolisState(
        step=jnp.zeros((), jnp.int32),
        x=x,
        value=value,
        c=c,
        threshold=kept,
        best_x=x,
        best_value=jnp.where(jnp.isfinite(value), value, jnp.inf),
        accepted=fill(jnp.zeros((), jnp.int32)),
    )


def _evaluated(energy: Callable, x: Any, axis: int = -1) -> jax.Array:
    """U of each chain in at least float32, (chains,).

    Half precision has no room for 2³² probabilities.
    """

    def wide(x: Any) -> jax.Array:
        value = jnp.asarray(energy(x))
        return value.astype(widened(value.dtype))

    return jax.vmap(wide, in_axes=axis)(x)


def advanced(
    energy: Callable,
    moves: Moves | Whole,
    schedule: Callable,
    law: Law,
    ends: jax.Array | np.ndarray,
    state: MetropolisState,
    key: jax.Array,
    block: int,
) -> tuple[jax.Array, MetropolisState, MetropolisTrajectory]:
    """U at the best states, the state after ends[-1] steps, and records.

    `block`, an even number, is how many steps have their uniforms drawn together and
    their acceptances kept, to recover the best state among them.
    """
    evaluate = functools.partial(_evaluated, energy)
    words = noise.words(key)
    state = _turned(state, chains_last)
    (chains,), dtype = state.value.shape, state.value.dtype
    draws_at = functools.partial(draws, words, chains=chains)
    acceptance = acceptance_of(moves)

    def going_from(state: MetropolisState) -> _Going:
        move = moves.propose(draws_at(state.step), state.x, state.step)
        assert not isinstance(moves, Whole)
        return _Going(state, move, moves.change(state.x, move).astype(dtype))

    def decided(
        state: MetropolisState,
        move: Any,
        change: jax.Array,
        new_value: jax.Array,
        uniform: jax.Array,
    ) -> tuple[MetropolisState, jax.Array, jax.Array]:
        """The state after a step, which chains accepted, and which improved."""
        value, c, kept = state.value, state.c, state.threshold
        T = held(jnp.asarray(schedule(state.step), dtype))
        delta = rise(law, value, change, new_value, c, T)
        likely = uniform <= probability(delta, acceptance)
        accepted = (likely | ~jnp.isfinite(value)) & jnp.isfinite(new_value)
        value = jnp.where(accepted, new_value, value)
        if law.shape is not None:
            c, kept = updated_chains(law.threshold, kept, value, c)
        better = accepted & (value < state.best_value)
        following = state._replace(
            step=state.step + 1,
            x=moves.apply(state.x, move, accepted),
            value=value,
            c=c,
            threshold=kept,
            best_value=jnp.where(better, value, state.best_value),
        )
        return following, accepted, better

    def by_whole(state: MetropolisState, through: Callable, uniform: Callable) -> Any:
        def one(step: jax.Array, state: MetropolisState) -> MetropolisState:
            y = moves.propose(draws_at(step), state.x, step)
            new_value = evaluate(y)
            following, accepted, better = decided(
                state, y, new_value - state.value, new_value, uniform(step)
            )
            return following._replace(
                best_x=of_chains(better, y, state.best_x),
                accepted=state.accepted + accepted.astype(jnp.int32),
            )

        return through(one, state, lambda state: state)

    def by_parts(state: MetropolisState, through: Callable, uniform: Callable) -> Any:
        """Recover the best state by repeating the steps that led to it."""
        first, x_first = state.step, state.x

        def one(step: jax.Array, carry: Any) -> Any:
            (state, move, change), best_at, flags = carry
            state, accepted, better = decided(
                state, move, change, state.value + change, uniform(step)
            )
            flags = jax.lax.dynamic_update_index_in_dim(
                flags, accepted, step - first, 0
            )
            best_at = jnp.where(better, step + 1, best_at)
            return going_from(state), best_at, flags

        best_at = for_each(state.value, jnp.zeros((), jnp.int32)) + first
        none = for_each(state.value, jnp.zeros((), bool))
        flags = jnp.broadcast_to(none, (block, chains))
        carry = (going_from(state), best_at, flags)
        carry, records = through(one, carry, lambda carry: carry[0].state)
        (state, *_), best_at, flags = carry

        def repeat(step: Any, carry: Any) -> Any:
            x, move = carry
            step = jnp.asarray(step, jnp.int32)
            flag = jax.lax.dynamic_index_in_dim(flags, step - first, 0, False)
            x = moves.apply(x, move, flag & (step < best_at))
            return x, moves.propose(draws_at(step + 1), x, step + 1)

        def best() -> Any:
            carry = (x_first, moves.propose(draws_at(first), x_first, first))
            x, _ = jax.lax.fori_loop(first, best_at.max(), repeat, carry)
            return of_chains(best_at > first, x, state.best_x)

        best_x = jax.lax.cond((best_at > first).any(), best, lambda: state.best_x)
        accepted = state.accepted + flags.sum(0, dtype=jnp.int32)
        state = state._replace(best_x=best_x, accepted=accepted)
        due = state.step % refresh == 0
        return jax.lax.cond(due, refreshed, lambda state: state, state), records

    def refreshed(state: MetropolisState) -> MetropolisState:
        return state._replace(
            value=evaluate(state.x),
            best_value=best_values(evaluate(state.best_x), state),
        )

    size = sum(leaf.size // chains for leaf in jax.tree.leaves(state.x))
    refresh = -(-REFRESH * size // BLOCK) * BLOCK
    advance = by_whole if isinstance(moves, Whole) else by_parts
    ends = state.step + ends[1:]

    def through_block(carry: Any) -> Any:
        """The steps of a block, or up to where energies are due, and their records.

        The records are the trajectory so far, and how many of them are written.
        """
        state, *records = carry
        begin = state.step // 2 * 2
        table = uniforms(words, begin, block, chains, dtype)
        # Not begin + block, which may be above what an int32 holds.
        limit = jnp.minimum(block, refresh - begin % refresh)
        last = begin + jnp.minimum(ends[-1] - begin, limit)

        def uniform(step: jax.Array) -> jax.Array:
            return jax.lax.dynamic_index_in_dim(table, step - begin, 0, False)

        def through(one: Callable, carry: Any, state_of: Callable) -> Any:
            def stretch(whole: Any) -> Any:
                carry, trajectory, count = whole
                end = jnp.minimum(last, ends[count])
                carry = jax.lax.fori_loop(
                    state_of(carry).step,
                    end,
                    # Without jit, the step is an int.
                    lambda step, carry: one(jnp.asarray(step, jnp.int32), carry),
                    carry,
                )
                record = functools.partial(recorded, state_of(carry), count)
                due = (end == ends[count]).astype(jnp.int32)
                # A loop of one step or none: a cond would copy the trajectory.
                trajectory = jax.lax.fori_loop(0, due, record, trajectory)
                return carry, trajectory, count + due

            carry, *written = jax.lax.while_loop(
                lambda whole: state_of(whole[0]).step < last,
                stretch,
                (carry, *records),
            )
            return carry, written

        state, written = advance(state, through, uniform)
        return state, *written

    trajectory = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (len(ends), *leaf.shape)), seen(state)
    )
    state, trajectory, _ = jax.lax.while_loop(
        lambda carry: carry[0].step < ends[-1],
        through_block,
        (state, trajectory, jnp.zeros((), jnp.int32)),
    )
    state = _turned(state, chains_first)
    exact = best_values(_evaluated(energy, state.best_x, 0), state)
    return exact, state, trajectory


def best_values(exact: jax.Array, state: MetropolisState) -> jax.Array:
    """U at the best states, +inf for a chain that has not had a finite value."""
    return jnp.where(jnp.isfinite(state.best_value), exact, jnp.inf)


def seen(state: MetropolisState) -> MetropolisTrajectory:
    """What a trajectory records of a state."""
    x = chains_first(state.x)
    return MetropolisTrajectory(state.step, x, state.value, state.best_value, state.c)


def recorded(
    state: MetropolisState, place: jax.Array, _: Any, trajectory: MetropolisTrajectory
) -> MetropolisTrajectory:
    return jax.tree.map(
        lambda all_, one: jax.lax.dynamic_update_index_in_dim(all_, one, place, 0),
        trajectory,
        seen(state),
    )


def chains_last(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), tree)


def chains_first(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), tree)


def _turned(state: MetropolisState, turn: Callable) -> MetropolisState:
    return state._replace(x=turn(state.x), best_x=turn(state.best_x))
