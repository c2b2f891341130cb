"""Spin systems for `metropolis`: Ising, Potts and max-cut, dense or sparse.

Make a model, for example with `ising(couplings)`; then pass the model itself, its
`flips()` and states from its `sample` to `metropolis`.
"""

from typing import Any

import jax
import jax.numpy as jnp

from landmod_jax import _checks
from landmod_jax.annealing import _couplings as couplings_of
from landmod_jax.annealing._couplings import Uniform, edges
from landmod_jax.annealing._qubo import Problem, from_bqm, qubo
from landmod_jax.annealing._spin_models import Flips, Ising, Order, Potts

__all__ = [
    "Flips",
    "Ising",
    "Order",
    "Potts",
    "Problem",
    "curie_weiss",
    "edges",
    "from_bqm",
    "ising",
    "max_cut",
    "potts",
    "qubo",
]


def ising(couplings: Any, fields: Any = 0.0) -> Ising:
    """An Ising model, U(s) = −Σ_{i<j} J_ij s_i s_j − Σ_i h_i s_i with s_i = ±1.

    Args:
      couplings: J, a symmetric array (n, n) with zeros on the diagonal, or sparse: a
        matrix of SciPy, a BCOO of JAX, an undirected graph of networkx (its weights, by
        default 1; sites in the order of its nodes), or `edges(…)`. A step costs n
        operations per chain with an array, and as many as a site has neighbors with
        sparse couplings.
      fields: h, (n,), or one number for all sites.

    Returns:
      A model: `model(s)` is U of a state (n,) of −1 and 1 (of bits b, 2 * b − 1),
      `model.sample(key, chains)` draws states, int8 for sparse couplings and
      floating-point for dense ones, and `model.flips()` are the moves for `metropolis`.

    Raises:
      ValueError: an argument is none of the above.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from landmod_jax import annealing
      >>> J = jnp.ones((8, 8)) - jnp.eye(8)
      >>> model = annealing.spins.ising(J, fields=0.1)
      >>> key, start = jax.random.split(jax.random.key(0))
      >>> result = annealing.metropolis(
      ...     model,
      ...     model.flips(),
      ...     model.sample(start, 20),
      ...     key,
      ...     steps=50 * model.n,
      ...     temperature=annealing.geometric(5.0, 0.1, 50 * model.n),
      ... )
      >>> print(f"{result.best_value.min():.1f}")
      -28.8
    """
    J = couplings_of.couplings_of("couplings", couplings)
    h = couplings_of.per_site("fields", fields, (J.n,))
    return Ising(J, h, jnp.zeros((), h.dtype))


def max_cut(weights: Any) -> Ising:
    """The Ising model whose U is minus the weight of the cut between s = 1 and −1.

    Args:
      weights: w, like the couplings of `ising`; of either sign.

    Returns:
      As `ising`; −U is the cut, Σ_{i<j} w_ij (1 − s_i s_j) / 2.

    Raises:
      ValueError: weights are not such couplings.

    Example:
      >>> from landmod_jax.annealing import spins
      >>> square = spins.edges(4, [(0, 1), (1, 2), (2, 3), (3, 0)], 1.0)
      >>> print(-spins.max_cut(square)([1, -1, 1, -1]))
      4.0
    """
    w = couplings_of.couplings_of("weights", weights)
    J = couplings_of.mapped(lambda w: -w / 2, w)
    h = jnp.zeros((J.n,), jnp.float32)
    total = jax.vmap(J.of_all, in_axes=-1)(jnp.ones((J.n, 1))).sum() / 2
    return Ising(J, h.astype(total.dtype), total)


def curie_weiss(n: int, coupling: Any = 1.0, field: Any = 0.0) -> Ising:
    """The Curie–Weiss model, U(s) = −J M² / (2n) − h M with M = Σ_i s_i.

    Args:
      n: number of spins, at least 2.
      coupling: J.
      field: h.

    Returns:
      As `ising`.

    Raises:
      ValueError: an argument is none of the above.

    Example:
      >>> import jax.numpy as jnp
      >>> from landmod_jax.annealing import spins
      >>> print(spins.curie_weiss(4)(jnp.ones(4)))
      -2.0
    """
    n = _checks.integer("n", n, least=2)
    J = jnp.asarray(_checks.number("coupling", coupling), jnp.float32)
    h = jnp.asarray(_checks.number("field", field), jnp.float32)
    return Ising(Uniform(J / n, n), jnp.broadcast_to(h, (n,)), -J / 2)


def potts(couplings: Any, q: int, fields: Any = 0.0) -> Potts:
    """A Potts model, U(s) = −Σ_{i<j} J_ij δ(s_i, s_j) − Σ_i h_i(s_i).

    With J = −1 on the edges of a graph, U counts the edges within a color.

    Args:
      couplings: as in `ising`.
      q: number of colors, from 2 to 127.
      fields: h, (n, q), or one number.

    Returns:
      As `ising`; states are int8, from 0 to q − 1.

    Raises:
      ValueError: an argument is none of the above.

    Example:
      >>> from landmod_jax.annealing import spins
      >>> triangle = spins.edges(3, [(0, 1), (1, 2), (0, 2)], -1.0)
      >>> print(spins.potts(triangle, q=3)([0, 1, 1]))
      1.0
    """
    J = couplings_of.couplings_of("couplings", couplings)
    q = _checks.integer("q", q, least=2)
    if q > 127:
        raise ValueError(f"q must be at most 127, got {q}")
    return Potts(J, couplings_of.per_site("fields", fields, (J.n, q)))
