"""Spin systems for `metropolis`: Ising, Potts and max-cut, dense or sparse.

Make a model, for example with `ising(couplings)`; then pass the model itself, its
`flips()` and states from its `sample` to `metropolis`.
"""

import dataclasses
import functools
from typing import Any, ClassVar, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax.annealing import _arguments as arguments
from landmod_jax.annealing import _couplings as couplings_of
from landmod_jax.annealing._couplings import Couplings, Uniform, edges, row_of, with_row
from landmod_jax.annealing._moves import Acceptance, DrawFn

Order = Literal["sequential", "random"]

__all__ = [
    "Flips",
    "Ising",
    "Order",
    "Potts",
    "curie_weiss",
    "edges",
    "ising",
    "max_cut",
    "potts",
]


class _Model:
    """What Ising and Potts models share."""

    couplings: Couplings
    _kinds: ClassVar[tuple[Any, ...]]  # of numbers, as NumPy names them

    @property
    def n(self) -> int:
        """The number of spins. A sweep is n steps of `metropolis`."""
        return self.couplings.n

    def flips(
        self, order: Order = "sequential", acceptance: Acceptance = "heat_bath"
    ) -> "Flips":
        """Moves of one spin each, for `metropolis`, with incremental energies.

        A flip proposes the other value of an Ising spin, or one of the other colors.
        With the heat bath, chains tend to exp(−H) at constant T and c from every start,
        in both orders: a sweep may lead from any state to any other, and to itself.

        Args:
          order: "sequential" visits the sites in turn, as spin codes usually do, and is
            much faster. "random" visits a random site, a different one in each chain,
            which makes the chain reversible.
          acceptance: "heat_bath" accepts with probability 1 / (1 + exp(ΔH)), as in
            Glauber dynamics; with two values, this is Gibbs sampling. "metropolis"
            accepts with min(1, exp(−ΔH)), the rule of Choi's theory. It flips more
            often, and needs the random order: sequential sweeps with it have further
            stationary laws. On a ring of equal couplings, they carry domain walls
            around forever.

        Raises:
          ValueError: order or acceptance is none of these.
        """
        _checks.choice("order", order, get_args(Order))
        _checks.choice("acceptance", acceptance, get_args(Acceptance))
        return Flips(self, order, acceptance)

    def check_states(self, name: str, x: jax.Array) -> None:
        """Check that x, (…, n), holds states; a traced one by its shape and dtype.

        Raises:
          ValueError: it does not.
        """
        if x.shape[-1:] != (self.n,):
            raise ValueError(
                f"{name} must hold states of {self.n} numbers on its last axis, got "
                f"shape {x.shape}"
            )
        fine = any(jnp.issubdtype(x.dtype, kind) for kind in self._kinds)
        if fine and not _checks.traced(x):
            with jax.ensure_compile_time_eval():
                fine = bool(self._are_values(x))
        if not fine:
            raise ValueError(
                f"{name} must hold {self._values(name)}; got {_checks.shown(x)}"
            )

    def _values(self, name: str) -> str:
        raise NotImplementedError

    def _are_values(self, x: jax.Array) -> jax.Array:
        raise NotImplementedError

    def _state(self, s: Any) -> jax.Array:
        state = jnp.asarray(s)
        if state.shape != (self.n,):
            raise ValueError(
                f"s must be a state of shape ({self.n},), got {state.shape}"
            )
        arguments.check_range("s", s, state)
        self.check_states("s", state)
        return state

    def _shape(self, key: Any, chains: Any) -> tuple[int, int]:
        arguments.key(key)
        return _checks.integer("chains", chains, least=1), self.n


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Ising(_Model):
    """U(s) = offset − Σ_{i<j} J_ij s_i s_j − Σ_i h_i s_i, with s_i = ±1.

    A callable pytree: U of a state (n,). Made by `ising`, `max_cut` and `curie_weiss`.

    Attributes:
      couplings: J.
      fields: h, (n,).
      offset: scalar.
    """

    couplings: Couplings
    fields: jax.Array
    offset: jax.Array
    _kinds = (np.signedinteger, np.floating)

    def __call__(self, s: Any) -> jax.Array:
        s = self._state(s).astype(self.fields.dtype)
        seen = self.couplings.of_all(s).astype(s.dtype)
        return self.offset - (s * (seen / 2 + self.fields)).sum()

    def sample(self, key: jax.Array, chains: int) -> jax.Array:
        """Draw independent states (chains, n) of fair spins."""
        up = jax.random.bernoulli(key, shape=self._shape(key, chains))
        return jnp.where(up, 1, -1).astype(self.couplings.dtype)

    def _values(self, name: str) -> str:
        return f"spins of -1 and 1 (of bits, pass 2 * {name} - 1, as signed integers)"

    def _are_values(self, x: jax.Array) -> jax.Array:
        return _all_spins(x)

    def other(self, draw: DrawFn, old: jax.Array) -> jax.Array:
        del draw
        return -old

    def change(self, x: jax.Array, i: jax.Array, old: jax.Array, new: Any) -> jax.Array:
        del new
        dtype = self.fields.dtype
        seen = self.couplings.at(x, i).astype(dtype)
        return 2 * old.astype(dtype) * (seen + self.fields[i])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Potts(_Model):
    """U(s) = −Σ_{i<j} J_ij δ(s_i, s_j) − Σ_i h_i(s_i), with s_i in 0, …, q − 1.

    A callable pytree: U of a state (n,). Made by `potts`.

    Attributes:
      couplings: J.
      fields: h, (n, q).
    """

    couplings: Couplings
    fields: jax.Array
    _kinds = (np.integer,)

    @property
    def q(self) -> int:
        """The number of colors."""
        return self.fields.shape[1]

    def __call__(self, s: Any) -> jax.Array:
        s = self._state(s)
        same = jax.nn.one_hot(s, self.q, dtype=self.fields.dtype)
        seen = jax.vmap(self.couplings.of_all, in_axes=-1, out_axes=-1)(same)
        return -(same * (seen / 2 + self.fields)).sum()

    def sample(self, key: jax.Array, chains: int) -> jax.Array:
        """Draw independent states (chains, n) of uniform colors."""
        return jax.random.randint(key, self._shape(key, chains), 0, self.q, jnp.int8)

    def _values(self, name: str) -> str:
        del name
        return f"colors, integers from 0 to {self.q - 1}"

    def _are_values(self, x: jax.Array) -> jax.Array:
        return _all_below(self.q, x)

    def other(self, draw: DrawFn, old: jax.Array) -> jax.Array:
        """One of the q − 1 other colors."""
        # `change` gathers fields for each chain, which explicit axes do not allow.
        arguments.on_auto_axes(old, "a Potts model")
        new = old + 1 + _below(self.q - 1, draw(1)).astype(old.dtype)
        return jnp.where((new >= self.q) | (new < 0), new - self.q, new)

    def change(
        self, x: jax.Array, i: jax.Array, old: jax.Array, new: jax.Array
    ) -> jax.Array:
        # 1 where a spin has the new color, −1 where it has the old one, else 0.
        like = (x == new).astype(jnp.int8) - (x == old).astype(jnp.int8)
        field = self.fields[i, new] - self.fields[i, old]
        return -(self.couplings.at(like, i).astype(field.dtype) + field)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Flips:
    """Moves of `metropolis` that change one spin, made by a model's `flips()`.

    A move is the site, its spin, and the spin that it would have.
    """

    model: Any  # Ising or Potts
    order: Order = dataclasses.field(metadata={"static": True})
    acceptance: Acceptance = dataclasses.field(metadata={"static": True})

    def propose(self, draw: DrawFn, x: jax.Array, step: jax.Array) -> Any:
        if x.ndim != 2 or len(x) != self.model.n:
            raise ValueError(
                f"x0 must have shape (chains, {self.model.n}), got {x.shape[::-1]}"
            )
        site = step % self.model.n
        if self.order == "random":
            site = _below(self.model.n, draw(0))
        old = row_of(x, site)
        return site, old, self.model.other(draw, old)

    def change(self, x: jax.Array, move: Any) -> jax.Array:
        return self.model.change(x, *move)

    def apply(self, x: jax.Array, move: Any, accepted: jax.Array) -> jax.Array:
        site, old, new = move
        return with_row(x, site, jnp.where(accepted, new, old))


@jax.jit
def _all_spins(x: jax.Array) -> jax.Array:
    return (abs(x) == 1).all()


@functools.partial(jax.jit, static_argnums=0)
def _all_below(q: int, x: jax.Array) -> jax.Array:
    return ((x >= 0) & (x < q)).all()


def _below(n: int, bits: jax.Array) -> jax.Array:
    """Uniform integers under n from uint32, biased by less than n / 2²³."""
    part = (bits >> 8).astype(jnp.float32) * 2.0**-24
    return jnp.minimum((part * n).astype(jnp.int32), n - 1)


def ising(couplings: Any, fields: Any = 0.0) -> Ising:
    """An Ising model, U(s) = −Σ_{i<j} J_ij s_i s_j − Σ_i h_i s_i with s_i = ±1.

    Args:
      couplings: J, a symmetric array (n, n) with zeros on the diagonal, or sparse,
        `edges(…)`. A step costs n operations per chain with an array, and as many as a
        site has neighbors with sparse couplings.
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
