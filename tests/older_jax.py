"""Names of newer JAX that the tests use, on the oldest JAX that the library supports."""

import jax
import jax.experimental


def add_what_is_missing() -> None:
    if not hasattr(jax, "enable_x64"):  # before 0.8
        jax.enable_x64 = jax.experimental.enable_x64
    if not hasattr(jax, "P"):  # before 0.7
        jax.P = jax.sharding.PartitionSpec
        jax.set_mesh = jax.sharding.use_mesh
    if not hasattr(jax, "shard_map"):  # before 0.6
        from jax.experimental.shard_map import shard_map

        jax.shard_map = shard_map
