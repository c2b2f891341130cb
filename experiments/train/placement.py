"""Where a training step runs: on one device, on several by pmap, or over a mesh.

A placement compiles a step `(state, data, draw) -> (state, metrics)`, spreads state and
data over its devices, and gathers the results. The trainer knows nothing else about
devices, and its states look as on one device.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

Parallel = Literal["none", "pmap", "sharded"]
AXIS = "batch"
Options = dict[str, Any] | None


class OneDevice:
    """Everything on the default device; how other placements differ is below.

    Attributes:
      batch_sharding: how the compiler spreads a mini-batch; None if it does not.
    """

    batch_sharding: NamedSharding | None = None

    def compiled(self, step: Callable, options: Options) -> Callable:
        """The step, compiled once for each size of a mini-batch; its state is donated.

        Args:
          step: `(state, data, draw) -> (state, metrics)`.
          options: compiler options, if any.
        """
        return jax.jit(step, donate_argnums=0, compiler_options=options)

    def spread(self, tree: Any) -> Any:
        """State or data as the compiled step takes it: whole on every device."""
        return tree

    def share(self, tree: Any) -> Any:
        """The epoch's order as the compiled step takes it."""
        return tree

    def gather(self, tree: Any) -> Any:
        """What the step returned, as on one device."""
        return tree


class Mapped(OneDevice):
    """`jax.pmap` over this process's devices: a leading axis holds each one's copy.

    It sends the order to each device itself.
    """

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

    def gather(self, tree: Any) -> Any:
        return jax.tree.map(lambda x: x[0], tree)


class Sharded(OneDevice):
    """jit over a mesh of all processes' devices; the compiler splits the mini-batch."""

    def __init__(self) -> None:
        self.batch_sharding = NamedSharding(_mesh(), PartitionSpec(AXIS))
        self._everywhere = NamedSharding(self.batch_sharding.mesh, PartitionSpec())

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


PLACEMENTS: Mapping[Parallel, Callable[[], OneDevice]] = {
    "none": OneDevice,
    "pmap": Mapped,
    "sharded": Sharded,
}


def _mesh() -> jax.sharding.Mesh:
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))
