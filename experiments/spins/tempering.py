"""Parallel tempering, the control: replicas at a ladder of temperatures that swap."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import annealing

REPLICAS = 8


@jax.jit
def run(model: Any, x: jax.Array, key: jax.Array, T: jax.Array, sweeps: Any) -> Any:
    """The lowest energy that each copy has reached, (copies,), in sweeps per replica.

    Args:
      model: a spin model.
      x: (copies × REPLICAS, n), the replicas of a copy one after the other.
      T: (REPLICAS,) temperatures.
    """
    kernel = annealing.metropolis_kernel(model, model.flips())
    chains = len(x)
    T = jnp.tile(T, chains // REPLICAS)
    order = jnp.arange(chains)
    rung = order % REPLICAS
    flips, swaps = jax.random.split(key)

    def sweep(number: jax.Array, state: annealing.MetropolisState) -> Any:
        state = kernel.step(flips, state, T, steps=model.n)
        # Neighbors swap with probability min(1, exp((1/T − 1/T′)(U − U′))), the even
        # rungs with those above them in one sweep, the odd ones in the next.
        above = (rung - number) % 2 == 0
        partner = order + jnp.where(above, 1, -1)
        exists = jnp.where(above, rung + 1 < REPLICAS, rung > 0)
        partner = jnp.where(exists, partner, order)
        gain = (1 / T - 1 / T[partner]) * (state.value - state.value[partner])
        # Both replicas of a pair decide by the lower one's random number.
        u = jax.random.uniform(jax.random.fold_in(swaps, number), (chains,))
        swap = exists & (u[jnp.minimum(order, partner)] <= jnp.exp(gain))
        source = jnp.where(swap, partner, order)
        return state._replace(x=state.x[source], value=state.value[source])

    state = jax.lax.fori_loop(0, sweeps, sweep, kernel.init(x))
    return state.best_value.reshape(-1, REPLICAS).min(1)


def ladder(first: float, last: float) -> np.ndarray:
    """REPLICAS temperatures from `last` to `first` in a geometric sequence."""
    return np.geomspace(last, first, REPLICAS)
