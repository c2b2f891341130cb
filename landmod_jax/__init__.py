"""Landscape modification for JAX: one gradient transformation for any optax optimizer.

tx = optax.chain(landscape_modify(), optax.sgd(0.1))
loss, grads = jax.value_and_grad(loss_fn)(params, batch)
updates, state = tx.update(grads, state, params, value=loss)
"""

from landmod_jax import annealing, torch_optim
from landmod_jax._accumulation import AccumulateState, accumulate
from landmod_jax._critical_height import critical_height
from landmod_jax._landscape import landscape
from landmod_jax._population import population
from landmod_jax._shapes import SHAPES, Shape, bounded, power
from landmod_jax._thresholds import (
    Threshold,
    constant,
    running_min,
    smoothed_min,
    windowed_min,
)
from landmod_jax._transform import (
    LandscapeModifyState,
    current,
    landscape_modify,
    reset,
)
from landmod_jax._version import __version__

__all__ = [
    "SHAPES",
    "AccumulateState",
    "LandscapeModifyState",
    "Shape",
    "Threshold",
    "__version__",
    "accumulate",
    "annealing",
    "bounded",
    "constant",
    "critical_height",
    "current",
    "landscape",
    "landscape_modify",
    "population",
    "power",
    "reset",
    "running_min",
    "smoothed_min",
    "torch_optim",
    "windowed_min",
]
