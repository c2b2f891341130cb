"""What the kernels of `anneal` and `metropolis` have in common."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.typing import ArrayLike

from landmod_jax import _checks
from landmod_jax.annealing import _arguments as arguments
from landmod_jax.annealing import _compiled as compiled
from landmod_jax.annealing import _cooling as cooling


class Kernel(NamedTuple):
    """Two pure functions that move many chains, to build samplers from.

    You can jit them, map them, and call them in JAX's loops.

    Attributes:
      init: `init(x0)` returns the state of new chains.
      step: `step(key, state, temperature, steps=1)` returns the state after so many
        steps. The temperature is a number, or one per chain, (chains,). The noise
        depends on the key and on `state.step`, so one key serves for all calls. One
        call with many steps is cheaper than many calls.
    """

    init: Callable[[Any], Any]
    step: Callable[..., Any]


def step_of(
    kind: type,
    fresh: Callable,
    advance: Callable,
    functions: tuple[Any, ...],
    settings: Any,
    *numbers: Any,
) -> Callable[..., Any]:
    """The `step` of a kernel, compiled once for its functions, settings and steps.

    Args:
      kind: of its states.
      fresh: (functions, settings, x) to the state of new chains, for its types.
      advance: (functions and schedule, settings, steps, state, key, *numbers) to the
        state after the steps.
    """

    def step(key: jax.Array, state: Any, temperature: ArrayLike, steps: int = 1) -> Any:
        if not isinstance(state, kind):
            raise ValueError(
                f"state must be of type {kind.__name__}, as init returns it; got "
                f"{_checks.shown(state)}"
            )
        key = arguments.key(key)
        T = _checks.real_array("temperature", temperature)
        steps = _checks.integer("steps", steps, least=1)
        what = fresh, advance, settings, steps
        return compiled.call(_stepped, functions, what, state, key, T, *numbers)

    return step


def _stepped(
    functions: Any, what: Any, state: Any, key: jax.Array, T: Any, *numbers: Any
) -> Any:
    fresh, advance, settings, steps = what
    expected = jax.eval_shape(lambda x: fresh(functions, settings, x), state.x)
    arguments.resumed("state", state, expected, steps)
    if T.shape not in ((), state.value.shape):
        raise ValueError(
            "temperature must be a number or one per chain, of shape "
            f"{state.value.shape}; got shape {T.shape}"
        )
    functions = *functions, cooling.constant(T.astype(state.value.dtype))
    return advance(functions, settings, steps, state, key, *numbers)
