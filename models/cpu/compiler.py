"""XLA's options for compiling these networks for a CPU."""

import functools
import warnings

import jax
import jax.numpy as jnp

from models.cpu.conv import native

# XLA calls it experimental. jaxlib's x86 wheels contain oneDNN from 0.12 on; older ones
# ignore the option.
ONEDNN = "xla_cpu_experimental_onednn_custom_call"


def compiler_options() -> dict[str, bool]:
    """Options for oneDNN's products and convolutions where XLA:CPU has no fast ones.

    They change a step's rounding and its speed. JAX's compilation cache cannot store
    programs that use them; it prints a warning and continues.

    Returns:
      Options for `jax.jit`; none on accelerators or if this jaxlib has no oneDNN.

    Example:
      >>> import jax, models
      >>> step = jax.jit(lambda x: x + 1, compiler_options=models.compiler_options())
      >>> int(step(1))
      2
    """
    if jax.default_backend() != "cpu" or not _has_effect(ONEDNN):
        return {}
    return {ONEDNN: True}


@functools.cache
def _has_effect(option: str) -> bool:
    """Whether XLA accepts the option and then uses oneDNN for a convolution."""
    convolve = functools.partial(native, stride=1, padding=1)
    x, w = jnp.zeros((1, 8, 8, 16)), jnp.zeros((3, 3, 16, 16))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lowered = jax.jit(convolve, compiler_options={option: True}).lower(x, w)
            return "__onednn$" in (lowered.compile().as_text() or "")
    except jax.errors.JaxRuntimeError:
        return False
