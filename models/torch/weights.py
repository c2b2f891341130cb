"""Weights from PyTorch's names and layout to ours, and back."""

import collections
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from models.preresnet import WIDTHS
from models.registry import create
from models.vgg import STAGES

# Collection and name of an array, and its name in PyTorch.
_ARRAYS = (
    ("params", "kernel", "weight"),
    ("params", "scale", "weight"),
    ("params", "bias", "bias"),
    ("batch_stats", "mean", "running_mean"),
    ("batch_stats", "var", "running_var"),
)
# What DataParallel and torch.compile put into the names of what they wrap.
_WRAPPERS = {"module", "_orig_mod"}
# What batch norm and AveragedModel count.
_COUNTERS = {"num_batches_tracked", "n_averaged"}


class Layer(NamedTuple):
    """One layer under its PyTorch prefix and its Linen path."""

    theirs: str
    ours: tuple[str, ...]
    # Channels of the map that a dense layer's input was flattened from: PyTorch
    # flattens (channel, row, column), Linen (row, column, channel).
    flattened: int = 1


class Entry(NamedTuple):
    """One array under its path in the variables."""

    ours: str
    shape: tuple[int, ...]
    flattened: int


def convert(
    name: str, state_dict: Mapping[str, Any], num_classes: int = 10
) -> dict[str, Any]:
    """Turn a PyTorch state dict into Linen variables.

    The expected names are those in PyTorch's CIFAR-10 tutorial (simple_cnn: conv1,
    conv2, fc1, fc2, fc3), in a plain `nn.Sequential` called "network" (nn2), and in the
    code of Izmailov et al. 2018 (vgg: features.N, classifier.1, .4, .6; preresnet:
    conv1, layerS.B.bnI, layerS.B.convI, layerS.B.downsample.0, bn, fc). A prefix that
    all of them share is dropped, and so are the "module." of DataParallel and the
    "_orig_mod." of torch.compile. The state dict may be one entry of a checkpoint,
    whatever its key.

    Args:
      name: of the network, as for `models.create`.
      state_dict: tensors or arrays by name, such as `net.state_dict()` or
        `torch.load(path, map_location="cpu")`.
      num_classes: as for `models.create`.

    Returns:
      {"params": …} and, with batch norm, {"batch_stats": …} beside it: copies in NumPy,
      in float32, or in float64 where the state dict has float64.

    Raises:
      ValueError: the name is unknown, the checkpoint has several state dicts, or its
        entries do not fit the network. The message lists every entry that is missing,
        unexpected, of another shape, or not of real floating-point numbers.
    """
    entries = _entries(name, num_classes)
    arrays = _without_prefix(_state_dict(state_dict), entries)
    shapes = {theirs: _torch_shape(entry.shape) for theirs, entry in entries.items()}
    _check(f"the state dict does not fit {name}", shapes, arrays)
    variables = {
        entry.ours: _from_torch(_array(arrays[theirs]), entry.flattened)
        for theirs, entry in entries.items()
    }
    return unflatten_dict(variables, sep="/")


def to_torch(
    name: str, variables: Mapping[str, Any], num_classes: int = 10
) -> dict[str, np.ndarray]:
    """The inverse of `convert`: a state dict of arrays, for `load_state_dict`.

    Raises:
      ValueError: the name is unknown, or the variables do not fit the network, as for
        `convert`.
    """
    entries = _entries(name, num_classes)
    arrays = flatten_dict(variables, sep="/")
    shapes = {entry.ours: entry.shape for entry in entries.values()}
    _check(f"the variables do not fit {name}", shapes, arrays)
    state_dict = {}
    for theirs, entry in entries.items():
        state_dict[theirs] = _to_torch(_array(arrays[entry.ours]), entry.flattened)
        layer, _, kind = theirs.rpartition(".")
        if kind == "running_var":
            state_dict[f"{layer}.num_batches_tracked"] = np.asarray(0)
    return state_dict


@functools.cache
def _entries(name: str, num_classes: int) -> dict[str, Entry]:
    """Every array of the network by its name in PyTorch."""
    net = create(name, num_classes)
    variables = jax.eval_shape(
        lambda: net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    )
    shapes = {k: v.shape for k, v in flatten_dict(variables, sep="/").items()}
    entries = {}
    for layer in layers(name):
        for collection, ours, theirs in _ARRAYS:
            path = "/".join((collection, *layer.ours, ours))
            if path in shapes:
                entry = Entry(path, shapes[path], layer.flattened)
                entries[f"{layer.theirs}.{theirs}"] = entry
    return entries


def _state_dict(checkpoint: Any) -> Mapping[str, Any]:
    """The state dict in a checkpoint: the checkpoint itself, or one of its entries."""
    if not isinstance(checkpoint, Mapping) and not hasattr(checkpoint, "state_dict"):
        raise ValueError(
            "state_dict must be a mapping from names to tensors, got "
            f"{type(checkpoint).__name__}"
        )
    state_dicts = dict(_state_dicts(checkpoint, "checkpoint"))
    if len(state_dicts) > 1:
        raise ValueError(
            f"the checkpoint has several state dicts: pass {' or '.join(state_dicts)}"
        )
    return next(iter(state_dicts.values()), checkpoint)


def _state_dicts(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if hasattr(value, "state_dict"):
        path, value = f"{path}.state_dict()", value.state_dict()
    if not isinstance(value, Mapping):
        return
    if any(
        str(k).endswith(".weight") and hasattr(v, "shape") for k, v in value.items()
    ):
        yield path, value
        return
    for key, entry in value.items():
        yield from _state_dicts(entry, f"{path}[{key!r}]")


def _without_prefix(
    state_dict: Mapping[str, Any], entries: Mapping[str, Entry]
) -> dict[str, Any]:
    """The state dict by the names that the network alone would have."""
    names = {}  # in place of the names in the state dict
    prefixes: collections.Counter[str] = collections.Counter()
    for name in state_dict:
        parts = [part for part in str(name).split(".") if part not in _WRAPPERS]
        if parts and parts[-1] in _COUNTERS:
            continue
        names[name] = ".".join(parts)
        for i in range(len(parts)):
            if ".".join(parts[i:]) in entries:
                prefixes["".join(f"{part}." for part in parts[:i])] += 1
    # A network can contain parts that look like a smaller network: blocks, say.
    usual = [p for p, count in prefixes.items() if count > len(entries) / 2]
    arrays = {}
    for name, plain in names.items():
        plain = plain.removeprefix(usual[0]) if usual else plain
        if len(usual) > 1 or plain in arrays:
            raise ValueError(
                f"the state dict has {plain!r} several times, under other prefixes: "
                "pass the entries of one network"
            )
        arrays[plain] = state_dict[name]
    return arrays


def _check(
    wrong: str, shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Any]
) -> None:
    lines = []
    for name, shape in shapes.items():
        if name not in arrays:
            lines.append(f"{name} is missing, of shape {shape}")
        elif (got := _shape(arrays[name])) != shape:
            lines.append(f"{name} must have shape {shape}, got {got}")
        elif not jnp.issubdtype(dtype := _array(arrays[name]).dtype, jnp.floating):
            lines.append(f"{name} must be of floating-point numbers, got {dtype}")
    for name, value in arrays.items():
        if name not in shapes:
            lines.append(f"{name} is unexpected, got {_shape(value)}")
    *_, last = shapes  # the bias of the logits
    match _shape(arrays.get(last)):
        case (classes,) if (classes,) != shapes[last]:
            lines.append(f"for {classes} classes, pass num_classes={classes}")
    if lines:
        raise ValueError("\n  ".join([f"{wrong}:", *lines]))


def _shape(value: Any) -> Any:
    return tuple(value.shape) if hasattr(value, "shape") else type(value).__name__


def _array(value: Any) -> np.ndarray:
    """A copy in NumPy, so that later steps in place do not change it."""
    if hasattr(value, "detach"):  # a tensor; NumPy has no bfloat16
        value = value.detach().cpu()
        if value.is_floating_point() and value.element_size() < 4:
            value = value.float()
    array = np.array(value)
    narrow = jnp.issubdtype(array.dtype, jnp.floating) and array.itemsize < 4
    return array.astype(np.float32) if narrow else array


def layers(name: str) -> Iterator[Layer]:
    """Every layer that has weights, in order."""
    if name == "simple_cnn":
        yield Layer("conv1", ("Conv_0",))
        yield Layer("conv2", ("Conv_1",))
        yield Layer("fc1", ("Dense_0",), flattened=16)
        yield Layer("fc2", ("Dense_1",))
        yield Layer("fc3", ("Dense_2",))
    elif name == "nn2":
        for i, place in enumerate((0, 2, 6, 8, 12, 14)):
            yield Layer(f"network.{place}", (f"Conv_{i}",))
        for i, place in enumerate((5, 11, 17)):
            yield Layer(f"network.{place}", (f"BatchNorm_{i}",))
        for i, place in enumerate((19, 21, 23)):
            flattened = 256 if i == 0 else 1
            yield Layer(f"network.{place}", (f"Dense_{i}",), flattened)
    elif match := re.fullmatch(r"vgg(16|19)(_bn)?", name):
        yield from _vgg(int(match[1]), batch_norm=bool(match[2]))
    elif match := re.fullmatch(r"preresnet(\d+)", name):
        yield from _preresnet(int(match[1]))
    else:
        raise ValueError(f"no weights are known for model {name!r}")


def _vgg(depth: int, batch_norm: bool) -> Iterator[Layer]:
    place = i = 0
    for stage in STAGES[depth]:
        for _ in stage:
            yield Layer(f"features.{place}", (f"Conv_{i}",))
            if batch_norm:
                yield Layer(f"features.{place + 1}", (f"BatchNorm_{i}",))
            place += 3 if batch_norm else 2
            i += 1
        place += 1  # the pooling
    for i, place in enumerate((1, 4, 6)):
        yield Layer(f"classifier.{place}", (f"Dense_{i}",))


def _preresnet(depth: int) -> Iterator[Layer]:
    yield Layer("conv1", ("Conv_0",))
    per_stage = (depth - 2) // 9
    for i in range(per_stage * len(WIDTHS)):
        stage, block = divmod(i, per_stage)
        theirs, ours = f"layer{stage + 1}.{block}", f"Bottleneck_{i}"
        for j in range(3):
            yield Layer(f"{theirs}.bn{j + 1}", (ours, f"BatchNorm_{j}"))
            yield Layer(f"{theirs}.conv{j + 1}", (ours, f"Conv_{j}"))
        if block == 0:
            yield Layer(f"{theirs}.downsample.0", (ours, "projection"))
    yield Layer("bn", ("BatchNorm_0",))
    yield Layer("fc", ("Dense_0",))


def _torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) == 4:
        height, width, inputs, features = shape
        return (features, inputs, height, width)
    return shape[::-1]


def _from_torch(array: np.ndarray, flattened: int) -> np.ndarray:
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 2:
        features, inputs = array.shape
        planes = array.reshape(features, flattened, inputs // flattened)
        return planes.transpose(2, 1, 0).reshape(inputs, features)
    return array


def _to_torch(array: np.ndarray, flattened: int) -> np.ndarray:
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    elif array.ndim == 2:
        inputs, features = array.shape
        pixels = array.reshape(inputs // flattened, flattened, features)
        array = pixels.transpose(2, 1, 0).reshape(features, inputs)
    return np.ascontiguousarray(array)
