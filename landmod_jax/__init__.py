"""Landscape modification for JAX."""

from landmod_jax._version import __version__ as __version__
from landmod_jax.optimizers import adagrad as adagrad
from landmod_jax.optimizers import adam as adam
from landmod_jax.optimizers import rmsprop as rmsprop
from landmod_jax.optimizers import sgd as sgd
from landmod_jax.thresholds import constant as constant
from landmod_jax.thresholds import running_min as running_min
from landmod_jax.transform import LandscapeModifyState as LandscapeModifyState
from landmod_jax.transform import current as current
from landmod_jax.transform import landscape_modify as landscape_modify
