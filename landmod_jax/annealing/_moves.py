"""Proposals of `metropolis`: whole states, or moves with incremental energies."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import jax
import jax.numpy as jnp

from landmod_jax import _checks
from landmod_jax._numerics import types_of
from landmod_jax.annealing import _noise as noise

DrawFn = Callable[[int], jax.Array]
Acceptance = Literal["heat_bath", "metropolis"]
# A step of a chain uses this many of Threefry's blocks of two words for its proposal.
# The next block decides on acceptance, for two steps.
_ACCEPTANCES = 3


@runtime_checkable
class Moves(Protocol):
    """Symmetric proposals that change a part of the state, for all chains at once.

    In every leaf that these methods receive or return, the chains are the last axis. An
    instance is a pytree, such as a dataclass registered with
    `jax.tree_util.register_dataclass`.

    An attribute `acceptance`, if there is one, is the rule for accepting a move:
    "metropolis", with probability min(1, exp(−ΔH)), which is the default, or
    "heat_bath", with probability 1 / (1 + exp(ΔH)).

    `metropolis` repeats the proposals of a block of steps to recover its best state, so
    proposals may depend only on their arguments.
    """

    def propose(self, draw: DrawFn, x: Any, step: jax.Array) -> Any:
        """A move: any pytree.

        Args:
          draw: draw(k), with k from 0 to 5, is the k-th random uint32 of each chain,
            (chains,).
          x: states.
          step: number of the step, int32.
        """

    def change(self, x: Any, move: Any) -> jax.Array:
        """U(y) − U(x) of each chain's move from x to y, (chains,)."""

    def apply(self, x: Any, move: Any, accepted: jax.Array) -> Any:
        """y where `accepted` (chains,), else x.

        XLA updates x in place if this writes a part of x without reading x, so let the
        move carry the old values.
        """


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Whole:
    """The moves of a function from (key, x) to y, a new state of one chain."""

    function: Any

    def propose(self, draw: DrawFn, x: Any, step: jax.Array) -> Any:
        del step
        data = jnp.stack([draw(0), draw(1)], -1)
        keys = jax.random.wrap_key_data(data, impl="threefry2x32")
        return jax.vmap(self.function, in_axes=(0, -1), out_axes=-1)(keys, x)

    def apply(self, x: Any, move: Any, accepted: jax.Array) -> Any:
        return of_chains(accepted, move, x)


def of_chains(which: jax.Array, new: Any, old: Any) -> Any:
    """`new` where `which` (chains,) is true, else `old`."""
    return jax.tree.map(
        lambda n, o: jnp.where(jax.lax.expand_dims(which, range(n.ndim - 1)), n, o),
        new,
        old,
    )


def acceptance_of(moves: Any) -> Acceptance:
    rule: Any = getattr(moves, "acceptance", "metropolis")
    _checks.choice("acceptance of propose", rule, get_args(Acceptance))
    return rule


def draws(key: noise.Words, step: jax.Array, chains: int) -> DrawFn:
    """The random uint32 of a step, the k-th (chains,) for k from 0 to 5.

    They depend on the key, the step and the chain's position, not on the number of
    chains.
    """
    step = step.astype(jnp.uint32)

    def draw(k: int) -> jax.Array:
        if not 0 <= k < 2 * _ACCEPTANCES:
            raise ValueError(f"draw takes 0 to {2 * _ACCEPTANCES - 1}, got {k}")
        return noise.threefry(key, (step, _place(chains, k // 2)))[k % 2]

    return draw


def uniforms(
    key: noise.Words, step: jax.Array, steps: int, chains: int, dtype: Any
) -> jax.Array:
    """The uniforms that decide on acceptance, (steps, chains); step and steps are even.

    They take 2³² values in (0, 1], so the least probable move is made once in 2³³.
    """
    pairs = (step // 2 + jnp.arange(steps // 2)).astype(jnp.uint32)[:, None]
    blocks = noise.threefry(key, (pairs, _place(chains, _ACCEPTANCES)[None]))
    bits = jnp.stack(blocks, 1).reshape(steps, chains)
    return (bits.astype(dtype) + 0.5) * 2.0**-32


def _place(chains: int, block: int) -> jax.Array:
    chain = jnp.arange(chains, dtype=jnp.uint32)
    return chain * jnp.uint32(_ACCEPTANCES + 1) + jnp.uint32(block)


def checked(propose: Any, x: Any) -> Any:
    """`propose` as `Moves`; x is one chain's state, abstract."""
    if isinstance(propose, Moves):
        return propose
    _checks.function("propose", propose, 2)
    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        y = jax.eval_shape(propose, key, x)
    except Exception as error:
        raise ValueError(
            "propose must be a function of a key and a state that JAX can trace; it "
            f"failed: {_checks.brief(error)}"
        ) from error
    if types_of(y) != types_of(x):
        raise ValueError(
            "propose must return a state with the structure, shapes and dtypes of its "
            f"argument; for {_checks.shown(x)} it returned {_checks.shown(y)}"
        )
    return Whole(propose)
