"""Landscape modification for JAX: one transformation ahead of any optax optimizer.

tx = optax.chain(landscape_modify(), optax.adam(1e-3))
loss, grads = jax.value_and_grad(loss_fn)(params, batch)
updates, state = tx.update(grads, state, params, value=loss)
"""

from landmod_jax import annealing as annealing
from landmod_jax import torch_optim as torch_optim
from landmod_jax._accumulation import AccumulateState as AccumulateState
from landmod_jax._accumulation import accumulate as accumulate
from landmod_jax._landscape import critical_height as critical_height
from landmod_jax._landscape import landscape as landscape
from landmod_jax._shapes import SHAPES as SHAPES
from landmod_jax._shapes import Shape as Shape
from landmod_jax._shapes import bounded as bounded
from landmod_jax._shapes import power as power
from landmod_jax._thresholds import Threshold as Threshold
from landmod_jax._thresholds import constant as constant
from landmod_jax._thresholds import running_min as running_min
from landmod_jax._thresholds import smoothed_min as smoothed_min
from landmod_jax._thresholds import windowed_min as windowed_min
from landmod_jax._transform import LandscapeModifyState as LandscapeModifyState
from landmod_jax._transform import current as current
from landmod_jax._transform import landscape_modify as landscape_modify
from landmod_jax._version import __version__ as __version__
