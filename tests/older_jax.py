"""Names of newer JAX that the tests use, on the oldest JAX that is supported."""

import jax
import jax.experimental


def add_what_is_missing() -> None:
    if not hasattr(jax, "enable_x64"):  # 0.7 and older
        jax.enable_x64 = jax.experimental.enable_x64
    if not hasattr(jax, "P"):  # 0.6 and older
        jax.P = jax.sharding.PartitionSpec
        jax.set_mesh = jax.sharding.use_mesh
