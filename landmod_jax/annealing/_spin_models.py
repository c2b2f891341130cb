"""Ising and Potts models, their energies and their flips."""

import dataclasses
import math
from typing import Any, ClassVar, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from landmod_jax import _checks
from landmod_jax.annealing import _arguments as arguments
from landmod_jax.annealing._couplings import Couplings, mapped, row_of, with_row
from landmod_jax.annealing._moves import Acceptance, DrawFn

Order = Literal["sequential", "random"]


class _Model:
    """What Ising and Potts models share."""

    couplings: Couplings
    fields: jax.Array
    _contrast: ClassVar[float]  # what a flip may change U by, for a coupling of 1

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

    def temperatures(self) -> tuple[jax.Array, jax.Array]:
        """The first and last temperature of an annealing run, from the couplings.

        This is the default of `metropolis`, and the rule of dwave-samplers' default
        beta range. At the first T, half of the worst flips would be accepted, those
        against all terms of a spin at once. At the last T, one in a hundred sweeps has
        a flip against just the smallest term of all, by any of the spins that have one.
        Both rates are those of Metropolis's rule. Both T are 1 if U is constant.

        Returns:
          T, twice: scalars.
        """
        dtype = self.fields.dtype
        J = mapped(lambda J: self._contrast * abs(J), self.couplings)
        levels = self._levels()  # of each spin in its field, from low to high
        neighbors = J.of_all(jnp.ones((self.n,), self.couplings.dtype)).astype(dtype)
        worst = (neighbors + levels[:, -1] - levels[:, 0]).max()
        costs = jnp.concatenate([J.table.astype(dtype), jnp.diff(levels)], 1)
        smallest = jnp.where(costs > 0, costs, jnp.inf).min(1)  # of each spin
        many = (smallest == smallest.min()).sum().astype(dtype)
        first, last = worst / math.log(2), smallest.min() / jnp.log(100 * many)
        constant = worst == 0
        return jnp.where(constant, 1, first), jnp.where(constant, 1, last)

    def _levels(self) -> jax.Array:
        raise NotImplementedError

    def check_states(self, name: str, x: jax.Array) -> None:
        """Check that x, (…, n), holds states; a traced one by its shape and dtype.

        Raises:
          ValueError: it does not.
        """
        raise NotImplementedError

    def _check(
        self, name: str, x: jax.Array, wanted: str, kinds: Any, are: Any
    ) -> None:
        if x.shape[-1:] != (self.n,):
            raise ValueError(
                f"{name} must hold states of {self.n} numbers on its last axis, got "
                f"shape {x.shape}"
            )
        fine = any(jnp.issubdtype(x.dtype, kind) for kind in kinds)
        if not fine or not (_checks.traced(x) or are(np.asarray(x)).all()):
            raise ValueError(f"{name} must hold {wanted}; got {_checks.shown(x)}")

    def _state(self, s: Any) -> jax.Array:
        state = jnp.asarray(s)
        if state.shape != (self.n,):
            raise ValueError(
                f"s must be a state of shape ({self.n},), got {state.shape}"
            )
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
    _contrast = 2.0

    def _levels(self) -> jax.Array:
        return abs(self.fields)[:, None] * jnp.array([-1, 1], self.fields.dtype)

    def __call__(self, s: Any) -> jax.Array:
        s = self._state(s).astype(self.fields.dtype)
        seen = self.couplings.of_all(s).astype(s.dtype)
        return self.offset - (s * (seen / 2 + self.fields)).sum()

    def sample(self, key: jax.Array, chains: int) -> jax.Array:
        """Draw independent states (chains, n) of fair spins."""
        up = jax.random.bernoulli(key, shape=self._shape(key, chains))
        return jnp.where(up, 1, -1).astype(self.couplings.dtype)

    def check_states(self, name: str, x: jax.Array) -> None:
        wanted = f"spins of -1 and 1 (of bits, pass 2 * {name} - 1, as signed integers)"
        kinds = np.signedinteger, np.floating
        self._check(name, x, wanted, kinds, lambda x: abs(x) == 1)

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
    _contrast = 1.0

    def _levels(self) -> jax.Array:
        return jnp.sort(-self.fields, axis=1)

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

    def check_states(self, name: str, x: jax.Array) -> None:
        wanted = f"colors, integers from 0 to {self.q - 1}"
        self._check(name, x, wanted, (np.integer,), lambda x: (x >= 0) & (x < self.q))

    def other(self, draw: DrawFn, old: jax.Array) -> jax.Array:
        """One of the q − 1 other colors."""
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


def _below(n: int, bits: jax.Array) -> jax.Array:
    """Uniform integers under n from uint32, biased by less than n / 2²³."""
    part = (bits >> 8).astype(jnp.float32) * 2.0**-24
    return jnp.minimum((part * n).astype(jnp.int32), n - 1)
