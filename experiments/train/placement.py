"""Where a training step runs: on one device, on several by pmap, or over a mesh.

A placement compiles a step `(state, data, draw) -> (state, metrics)`, spreads state and
data over its devices, and gathers the results. The trainer knows nothing else about
devices, and its states look as on one device.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

Parallel = Literal["none", "pmap", "sharded"]
AXIS = "batch"
Options = dict[str, Any] | None


class Placement(Protocol):
    @property
    def batch_sharding(self) -> NamedSharding | None:
        """How the compiler spreads a mini-batch; None if it does not."""

    def compiled(self, step: Callable, options: Options) -> Callable:
        """The step, compiled once for each size of a mini-batch; its state is donated.

        Args:
          step: `(state, data, draw) -> (state, metrics)`.
          options: compiler options, if any.
        """

    def spread(self, tree: Any) -> Any:
        """State or data as the compiled step takes it: whole on every device."""

    def share(self, order: jax.Array) -> jax.Array:
        """The epoch's order as the compiled step takes it."""

    def gather(self, tree: Any) -> Any:
        """What the step returned, as on one device."""


class OneDevice:
    """Everything on the default device."""

    batch_sharding = None

    def compiled(self, step: Callable, options: Options) -> Callable:
        return jax.jit(step, donate_argnums=0, compiler_options=options)

    def spread(self, tree: Any) -> Any:
        return tree

    share = spread
    gather = spread


class Mapped:
    """`jax.pmap` over this process's devices: a leading axis holds each one's copy."""

    batch_sharding = None

    def __init__(self) -> None:
        self._mesh = _mesh()

    def compiled(self, step: Callable, options: Options) -> Callable:
        if options is not None:
            raise ValueError("pmap takes no compiler options; use parallel='sharded'")
        return jax.pmap(step, axis_name=AXIS, in_axes=(0, 0, None), donate_argnums=0)

    def spread(self, tree: Any) -> Any:
        copies = self._mesh.size
        return jax.device_put(
            jax.tree.map(lambda x: jnp.broadcast_to(x, (copies, *x.shape)), tree),
            NamedSharding(self._mesh, PartitionSpec(AXIS)),
        )

    def share(self, order: jax.Array) -> jax.Array:
        return order  # pmap sends it to each device

    def gather(self, tree: Any) -> Any:
        return jax.tree.map(lambda x: x[0], tree)


class Sharded:
    """jit over a mesh of all processes' devices; the compiler splits the mini-batch."""

    def __init__(self) -> None:
        self.batch_sharding = NamedSharding(_mesh(), PartitionSpec(AXIS))
        self._everywhere = NamedSharding(self.batch_sharding.mesh, PartitionSpec())

    def compiled(self, step: Callable, options: Options) -> Callable:
        return jax.jit(step, donate_argnums=0, compiler_options=options)

    def spread(self, tree: Any) -> Any:
        if jax.process_count() == 1:
            return jax.device_put(tree, self._everywhere)
        return jax.tree.map(
            lambda x: jax.make_array_from_process_local_data(
                self._everywhere, np.asarray(x)
            ),
            tree,
        )

    share = spread

    def gather(self, tree: Any) -> Any:
        """The copy on this process's first device."""
        return jax.tree.map(lambda x: x.addressable_data(0), tree)


PLACEMENTS: Mapping[Parallel, Callable[[], Placement]] = {
    "none": OneDevice,
    "pmap": Mapped,
    "sharded": Sharded,
}


def _mesh() -> jax.sharding.Mesh:
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))
