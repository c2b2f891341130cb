"""Landscape modification for JAX."""

from landmod_jax._version import __version__ as __version__
