"""Parallel tempering, the control: replicas at a ladder of temperatures that swap."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax.annealing import _noise as noise
from landmod_jax.annealing._metropolis_loop import chains_last, probability
from landmod_jax.annealing._moves import draws, uniforms

REPLICAS = 8


@jax.jit
def run(model: Any, x: jax.Array, key: jax.Array, T: jax.Array, sweeps: Any) -> Any:
    """The lowest energy that each copy has reached, (copies,), in sweeps per replica.

    Args:
      model: a spin model.
      x: (copies × REPLICAS, n), the replicas of a copy one after the other.
      T: (REPLICAS,) temperatures.
    """
    moves, n = model.flips(), model.n
    x = chains_last(x)
    chains = x.shape[1]
    value = jax.vmap(model, in_axes=-1)(x)
    temperature = jnp.tile(T, chains // REPLICAS)
    words = noise.words(key)
    order = jnp.arange(chains)
    rung = order % REPLICAS

    def step(place: Any, carry: Any) -> Any:
        x, move, accepted, value, best, u, sweep = carry
        # As in `metropolis`: a move is applied before anything reads x.
        x = moves.apply(x, move, accepted)
        move = moves.propose(draws(words, sweep * n + place, chains), x, place)
        change = moves.change(x, move)
        accepted = u[place] <= probability(change / temperature, moves.acceptance)
        value = value + jnp.where(accepted, change, 0)
        return x, move, accepted, value, jnp.minimum(best, value), u, sweep

    def swapped(x: jax.Array, value: jax.Array, sweep: jax.Array, u: Any) -> Any:
        # Neighbors swap with probability min(1, exp((1/T − 1/T′)(U − U′))), the even
        # rungs with those above them in one sweep, the odd ones in the next.
        above = (rung - sweep) % 2 == 0
        partner = order + jnp.where(above, 1, -1)
        exists = jnp.where(above, rung + 1 < REPLICAS, rung > 0)
        partner = jnp.where(exists, partner, order)
        gain = (1 / temperature - 1 / temperature[partner]) * (value - value[partner])
        # Both replicas of a pair decide by the lower one's random number.
        swap = exists & (jnp.log(u[jnp.minimum(order, partner)]) <= gain)
        source = jnp.where(swap, partner, order)
        return x[:, source], value[source]

    even = n + n % 2

    def one(sweep: Any, carry: Any) -> Any:
        x, value, best = carry
        u = uniforms(words, sweep * (even + 2), even + 2, chains, value.dtype)
        first = moves.propose(draws(words, sweep * n, chains), x, jnp.int32(0))
        none = jnp.zeros(chains, bool)
        start = (x, first, none, value, best, u, sweep)
        x, move, accepted, value, best, *_ = jax.lax.fori_loop(0, n, step, start)
        x = moves.apply(x, move, accepted)
        return *swapped(x, value, sweep, u[-1]), best

    _, _, best = jax.lax.fori_loop(0, sweeps, one, (x, value, value))
    return best.reshape(-1, REPLICAS).min(1)


def ladder(first: float, last: float) -> np.ndarray:
    """REPLICAS temperatures from `last` to `first` in a geometric sequence."""
    return np.geomspace(last, first, REPLICAS)
