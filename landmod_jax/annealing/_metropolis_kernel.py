"""The public kernel of Metropolis chains."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from landmod_jax import _checks
from landmod_jax import _shapes as shapes
from landmod_jax._thresholds import Threshold, resolve, running_min
from landmod_jax.annealing import _arguments as arguments
from landmod_jax.annealing import _compiled as compiled
from landmod_jax.annealing import _kernel as kernels
from landmod_jax.annealing import _metropolis_loop as loop
from landmod_jax.annealing import _moves as moves_of
from landmod_jax.annealing._kernel import Kernel
from landmod_jax.annealing._metropolis_loop import MetropolisState
from landmod_jax.annealing._moves import Moves
from landmod_jax.annealing.spins import Ising, Potts


def metropolis_kernel(
    energy: Callable[[Any], jax.Array],
    propose: Callable[[jax.Array, Any], Any] | Moves,
    *,
    f: str | shapes.ScalarFn | None = None,
    threshold: Threshold | None = None,
    logarithm: bool = False,
) -> Kernel:
    """The steps of `metropolis`, to build samplers from.

    A loop over `step` with one key equals `metropolis` with that key, whose states and
    these may be exchanged. With a `Moves` object, take many steps per call, such as a
    sweep: a call copies the states, and a step changes them in place.

    Args:
      energy, propose, f, threshold, logarithm: as in `metropolis`.

    Returns:
      A `Kernel`: `init` takes what `metropolis` takes as x0, and its states are
      `MetropolisState`.

    Raises:
      ValueError: an argument is none of the above.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from landmod_jax import annealing
      >>> model = annealing.spins.curie_weiss(10)
      >>> kernel = annealing.metropolis_kernel(model, model.flips())
      >>> state = kernel.init(model.sample(jax.random.key(0), 8))
      >>> T = jnp.geomspace(0.1, 2.0, 8)  # of each chain
      >>> state = kernel.step(jax.random.key(1), state, T, steps=20 * model.n)
      >>> print(state.step, state.value[0])
      200 -5.0
    """
    law = law_of(f, threshold, logarithm)
    functions = checked(energy, propose)

    def init(x0: Any) -> MetropolisState:
        return compiled.call(started, functions, law, points(x0, functions))

    return Kernel(
        init, kernels.step_of(MetropolisState, started, _stepped, functions, law)
    )


def checked(energy: Any, propose: Any) -> tuple[Any, Any]:
    _checks.function("energy", energy, 1)
    if not isinstance(propose, Moves):
        _checks.function("propose", propose, 2)
    return energy, propose


def law_of(f: Any, threshold: Any, logarithm: Any) -> loop.Law:
    logarithm = _checks.flag("logarithm", logarithm)
    if f is None:
        for name, given in (
            ("threshold", threshold is not None),
            ("logarithm", logarithm),
        ):
            if given:
                raise ValueError(
                    f"metropolis takes {name} only with f, the shape of the "
                    "modification; without it, chains are on U"
                )
        return loop.Law(None, running_min(), False)
    rule = resolve(threshold)
    return loop.Law(shapes.resolve(f), rule, logarithm)


def points(x0: Any, functions: tuple[Any, Any]) -> Any:
    """x0 as arrays, which are states of the model, if there is one."""
    x = arguments.states(x0)
    energy, propose = functions
    models = {id(m): m for m in (energy, getattr(propose, "model", None))}
    for model in models.values():
        if isinstance(model, (Ising, Potts)):
            model.check_states("x0", jax.tree.leaves(x)[0])
    return x


def started(functions: Any, law: loop.Law, x: Any) -> MetropolisState:
    """The state of new chains at x."""
    energy, *_ = functions
    arguments.check_energy(energy, _one(x))
    return loop.started(energy, law, x)


def _stepped(
    functions: Any, law: loop.Law, steps: int, state: MetropolisState, key: jax.Array
) -> MetropolisState:
    ends = np.array([0, steps], np.int32)
    # Enough for all steps, of which the first may be odd.
    block = min(loop.BLOCK, (steps + 2) // 2 * 2)
    return advanced(functions, law, ends, state, key, block)[1]


def advanced(
    functions: tuple[Callable, Any, Callable],
    law: loop.Law,
    ends: jax.Array | np.ndarray,
    state: MetropolisState,
    key: jax.Array,
    block: int = loop.BLOCK,
) -> tuple[jax.Array, MetropolisState, loop.MetropolisTrajectory]:
    """`loop.advanced`, with the functions checked."""
    energy, propose, schedule = functions
    one = _one(state.x)
    arguments.check_energy(energy, one)
    moves = moves_of.checked(propose, one)
    return loop.advanced(energy, moves, schedule, law, ends, state, key, block)


def _one(x: Any) -> Any:
    """One chain's state, abstract."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), x
    )
