"""Standard normal noise that is a function of (key, step, chain, coordinate) alone.

Threefry-2x32 with 20 rounds (Salmon et al., 2011), `jax.random`'s own generator, with
the step and the coordinate as its counter. Through `jax.random`, the same numbers take
five times as long on a CPU: it first folds the step into a key, uses one block per
number although a block holds two, and runs the rounds in a loop that nothing fuses
with.
"""

import math

import jax
import jax.numpy as jnp

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))

Words = tuple[jax.Array, jax.Array]


def words(key: jax.Array) -> Words:
    """Two uint32 for a key of any implementation."""
    both = jax.random.bits(key, (2,), jnp.uint32)
    return both[0], both[1]


def normal(
    key: Words, step: jax.Array, dimension: int, chains: int, dtype: jnp.dtype
) -> jax.Array:
    """N(0, 1), (dimension, chains); a chain's noise does not depend on their number.

    Each number has 23 random bits, like `jax.random.normal` in float32, so none exceeds
    5.3 in magnitude.
    """
    pairs = -(-dimension // 2)
    chain = jnp.arange(chains, dtype=jnp.uint32)[None]
    pair = jnp.arange(pairs, dtype=jnp.uint32)[:, None]
    blocks = threefry(key, (step.astype(jnp.uint32), chain * jnp.uint32(pairs) + pair))
    return jnp.concatenate([_to_normal(b, dtype) for b in blocks])[:dimension]


def threefry(key: Words, counter: Words) -> Words:
    """Threefry-2x32-20 of a counter, elementwise."""
    keys = (*key, key[0] ^ key[1] ^ jnp.uint32(0x1BD11BDA))
    a, b = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            a = a + b
            b = a ^ ((b << rotation) | (b >> (32 - rotation)))
        a = a + keys[(group + 1) % 3]
        b = b + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return a, b


def _to_normal(bits: jax.Array, dtype: jnp.dtype) -> jax.Array:
    # The centers of 2²³ equal intervals of (−1, 1).
    in_1_2 = jax.lax.bitcast_convert_type(bits >> 9 | 0x3F800000, jnp.float32)
    uniform = ((in_1_2 - 1.5) * 2 + 2.0**-23).astype(dtype)
    return math.sqrt(2) * jax.lax.erf_inv(uniform)
