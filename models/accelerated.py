"""Networks in their fastest form for accelerators, with packed variables."""

import collections
import dataclasses
from typing import Any, TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.tree_util import PyTreeDef

Tree = TypeVar("Tree")


@dataclasses.dataclass(frozen=True)
class Accelerated:
    """A network in the form that accelerators run, which takes its variables packed.

    A training state that stays packed for many steps saves many small kernels in each
    of them: copies of convolution kernels into the order that a GPU reads, and one
    kernel per short vector in the optimizer and in the running means.
    """

    model: nn.Module

    @property
    def _form(self) -> nn.Module:
        """The network in the form that suits an accelerator, if it has one."""
        has_one = hasattr(self.model, "accelerated")
        return self.model.clone(accelerated=True) if has_one else self.model

    def pack(self, tree: Tree) -> Tree:
        """A tree with parameters or statistics, such as a training state, packed.

        Returns:
          The tree with a `Packed` for each dictionary.
        """
        return jax.tree.map(_pack, tree, is_leaf=_is_dictionary)

    def unpack(self, tree: Tree) -> Tree:
        """The exact inverse of `pack`."""
        return jax.tree.map(_unpack, tree, is_leaf=lambda x: isinstance(x, Packed))

    def apply(self, variables: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Like the network's own `apply`, with packed variables in and out."""
        given = {name: _unpack(tree) for name, tree in variables.items()}
        result = self._form.apply(given, *args, **kwargs)
        if not kwargs.get("mutable"):
            return result
        y, updated = result
        return y, {name: self.pack(tree) for name, tree in updated.items()}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Packed:
    """A dictionary of parameters or statistics.

    Attributes:
      vectors: all vectors of one name and length, concatenated.
      others: the other leaves, with convolution kernels as (out, height, width, in).
      groups: for each leaf of the dictionary, its index in `vectors`, if any.
      structure: of the dictionary.
    """

    vectors: dict[str, jax.Array]
    others: list[jax.Array]
    groups: tuple[str | None, ...] = dataclasses.field(metadata={"static": True})
    structure: PyTreeDef = dataclasses.field(metadata={"static": True})


def _is_dictionary(tree: Any) -> bool:
    return isinstance(tree, dict) and bool(tree)


def _pack(tree: Any) -> Any:
    if not _is_dictionary(tree):
        return tree
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    groups = tuple(_group(path, leaf) for path, leaf in leaves)
    vectors = collections.defaultdict(list)
    others = []
    for group, (_, leaf) in zip(groups, leaves):
        if group is None:
            others.append(jnp.moveaxis(leaf, -1, 0) if leaf.ndim == 4 else leaf)
        else:
            vectors[group].append(leaf)
    joined = {group: jnp.concatenate(parts) for group, parts in vectors.items()}
    return Packed(joined, others, groups, structure)


def _unpack(packed: Any) -> Any:
    if not isinstance(packed, Packed):
        return packed
    numbers = collections.Counter(packed.groups)
    vectors = {
        group: iter(jax.lax.split(vector, [len(vector) // n] * n))
        for group, vector in packed.vectors.items()
        for n in [numbers[group]]
    }
    others = (jnp.moveaxis(x, 0, -1) if x.ndim == 4 else x for x in packed.others)
    leaves = [next(others if g is None else vectors[g]) for g in packed.groups]
    return jax.tree.unflatten(packed.structure, leaves)


def _group(path: Any, leaf: jax.Array) -> str | None:
    return f"{path[-1].key} {len(leaf)}" if leaf.ndim == 1 else None
