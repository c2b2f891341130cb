"""How long a chain takes over a barrier, with and without the modification.

The chains start in one well of a double well and are timed to the bottom of the other:
a first passage, whose mean is known in closed form for the overdamped methods.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import landmod_jax as lm
from landmod_jax import annealing
from landmod_jax.annealing import MethodName

START, END, LOW = -1.0, 1.0, -2.0
SHAPE = lm.bounded()
# (method, c as a share of the barrier; None: no modification). A running minimum soon
# reaches 0, the bottom of the wells.
CASES: tuple[tuple[MethodName, float | None], ...] = (
    ("langevin", None),
    ("improved", 0.5),
    ("improved", 0.0),
    ("kinetic", None),
    ("improved_kinetic", 0.5),
    ("improved_kinetic", 0.0),
)
# Energies are shifted by c, so that one object and one compilation serve all cases.
_AT_ZERO = lm.constant(0.0)


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How exactly the times are measured."""

    chains: int
    most_steps: int
    step_size: float = 0.01
    block: int = 20_000  # steps between two checks for chains still on the way


def energy(barrier: Any, c: Any, x: jax.Array) -> jax.Array:
    """barrier (x² − 1)² − c, but NaN from the bottom of the other well on.

    A chain that reaches NaN stops there, and `died` has the step.
    """
    u = barrier * jnp.sum((x * x - 1) ** 2) - c
    return jnp.where(x[0] >= END, jnp.nan, u)


def escapes(
    method: MethodName,
    share: float | None,
    barrier: float,
    temperature: float,
    sizes: Sizes,
    key: jax.Array,
) -> dict[str, Any]:
    """A row: how many chains crossed the barrier, and the mean time.

    The mean is the total time of all chains divided by the number of escapes: the
    estimate for censored exponential times. Its relative standard error is 1/√escapes.
    """
    c = 0.0 if share is None else share * barrier
    options: dict[str, Any] = {}
    if share is not None:
        options = {"f": SHAPE, "threshold": _AT_ZERO}
    state: Any = jnp.full((sizes.chains, 1), START)
    block = min(sizes.block, sizes.most_steps)
    for _ in range(math.ceil(sizes.most_steps / block)):
        state = annealing.anneal(
            jax.tree_util.Partial(energy, np.float32(barrier), np.float32(c)),
            state,
            key,
            method=method,
            steps=block,
            step_size=sizes.step_size,
            temperature=temperature,
            records=0,
            **options,
        ).state
        if not state.alive.any():
            break
    died = np.asarray(state.died)
    over = died >= 0
    time = float(np.where(over, died, int(state.step)).sum()) * sizes.step_size
    count = int(over.sum())
    return {
        "method": method,
        "share": share,
        "barrier": barrier,
        "temperature": temperature,
        "escapes": count,
        "chains": sizes.chains,
        "mean_time": time / count if count else math.nan,
    }


def exact_mean_time(
    share: float | None, barrier: float, temperature: float, points: int = 40_001
) -> float:
    """The mean first passage time of the overdamped diffusions, by quadrature.

    For dX = −∇U dt + √(2D) dB with the law p, −∇U p = ∇(D p), reflected far out, it is
    ∫ from start to end of 1/(D p)(y) ∫ from −∞ to y of p(z) dz dy (Gardiner, Handbook
    of Stochastic Methods, 5.2.7). D = T and p = exp(−U/T) for (2.2); D = f + T and
    p = exp(−H), with H of (2.9), for (2.7).
    """
    x = np.linspace(LOW, END, points)
    u = barrier * (x * x - 1) ** 2
    if share is None:
        h, diffusion = u / temperature, np.full_like(u, temperature)
    else:
        above = np.maximum(u - share * barrier, 0)
        f = above**3 / (1 + above**3)  # SHAPE, by hand
        diffusion = f + temperature
        slope = np.gradient(u, x) / diffusion
        steps = (slope[1:] + slope[:-1]) / 2 * (x[1] - x[0])
        h = np.concatenate([[0], np.cumsum(steps)]) + np.log(diffusion)
    h = h - h[np.abs(x - START).argmin()]
    dx = x[1] - x[0]
    p = np.exp(-h)
    below = np.concatenate([[0], np.cumsum((p[1:] + p[:-1]) / 2) * dx])
    between = (below / (diffusion * p))[x >= START - dx / 2]
    return float(((between[1:] + between[:-1]) / 2).sum() * dx)
