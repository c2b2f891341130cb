"""Weights from PyTorch's names and layout to ours, and back."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from models.preresnet import WIDTHS
from models.vgg import STAGES

Variables = dict[str, Any]


class Layer(NamedTuple):
    """One layer under its PyTorch prefix and its Linen path."""

    kind: str  # "conv", "dense" or "norm"
    theirs: str
    ours: tuple[str, ...]
    # Channels of the map that a dense layer's input was flattened from: PyTorch
    # flattens (channel, row, column), Linen (row, column, channel).
    flattened: int = 1


def convert(name: str, state_dict: Mapping[str, np.ndarray]) -> Variables:
    """Turn a PyTorch state dict into Linen variables.

    The expected names are those in PyTorch's CIFAR-10 tutorial (simple_cnn: conv1,
    conv2, fc1, fc2, fc3), in a plain `nn.Sequential` called "network" (nn2), and in the
    code of Izmailov et al. 2018 (vgg: features.N, classifier.1, .4, .6; preresnet:
    conv1, layerS.B.bnI, layerS.B.convI, layerS.B.downsample.0, bn, fc).

    Args:
      name: of the network, as for `models.create`.
      state_dict: arrays by name, `{k: v.numpy() for k, v in net.state_dict().items()}`.

    Returns:
      {"params": …} and, with batch norm, {"batch_stats": …} beside it.

    Raises:
      ValueError: a name is missing or unexpected, or a shape does not match.
    """
    left = {
        key: np.asarray(value)
        for key, value in state_dict.items()
        if not key.endswith("num_batches_tracked")
    }

    def take(key: str, ndim: int) -> np.ndarray:
        if key not in left:
            raise ValueError(f"the state dict of {name} has no {key!r}")
        value = left.pop(key)
        if value.ndim != ndim:
            raise ValueError(
                f"{key!r} must have {ndim} dimensions, got shape {value.shape}"
            )
        return value

    variables: Variables = {"params": {}}
    for layer in layers(name):
        params: dict[str, np.ndarray] = {}
        if layer.kind == "norm":
            params["scale"] = take(f"{layer.theirs}.weight", 1)
            params["bias"] = take(f"{layer.theirs}.bias", 1)
            stats = {
                "mean": take(f"{layer.theirs}.running_mean", 1),
                "var": take(f"{layer.theirs}.running_var", 1),
            }
            _put(variables.setdefault("batch_stats", {}), layer.ours, stats)
        elif layer.kind == "conv":
            weight = take(f"{layer.theirs}.weight", 4)
            params["kernel"] = weight.transpose(2, 3, 1, 0)
        else:
            params["kernel"] = _dense_from_torch(
                layer, take(f"{layer.theirs}.weight", 2)
            )
        if layer.kind != "norm" and f"{layer.theirs}.bias" in left:
            params["bias"] = take(f"{layer.theirs}.bias", 1)
        _put(variables["params"], layer.ours, params)
    if left:
        raise ValueError(
            f"the state dict has entries that {name} lacks: {', '.join(sorted(left))}"
        )
    return variables


def to_torch(name: str, variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The inverse of `convert`: a state dict of arrays, for `load_state_dict`."""
    state_dict = {}
    for layer in layers(name):
        params = _get(variables["params"], layer.ours)
        if layer.kind == "norm":
            stats = _get(variables["batch_stats"], layer.ours)
            state_dict[f"{layer.theirs}.weight"] = np.asarray(params["scale"])
            state_dict[f"{layer.theirs}.running_mean"] = np.asarray(stats["mean"])
            state_dict[f"{layer.theirs}.running_var"] = np.asarray(stats["var"])
            state_dict[f"{layer.theirs}.num_batches_tracked"] = np.asarray(0)
        elif layer.kind == "conv":
            kernel = np.asarray(params["kernel"])
            state_dict[f"{layer.theirs}.weight"] = kernel.transpose(3, 2, 0, 1)
        else:
            state_dict[f"{layer.theirs}.weight"] = _dense_to_torch(
                layer, np.asarray(params["kernel"])
            )
        if "bias" in params:
            state_dict[f"{layer.theirs}.bias"] = np.asarray(params["bias"])
    return {key: np.ascontiguousarray(value) for key, value in state_dict.items()}


def layers(name: str) -> Iterator[Layer]:
    """Every layer that has weights, in order."""
    if name == "simple_cnn":
        yield Layer("conv", "conv1", ("Conv_0",))
        yield Layer("conv", "conv2", ("Conv_1",))
        yield Layer("dense", "fc1", ("Dense_0",), flattened=16)
        yield Layer("dense", "fc2", ("Dense_1",))
        yield Layer("dense", "fc3", ("Dense_2",))
    elif name == "nn2":
        for i, place in enumerate((0, 2, 6, 8, 12, 14)):
            yield Layer("conv", f"network.{place}", (f"Conv_{i}",))
        for i, place in enumerate((5, 11, 17)):
            yield Layer("norm", f"network.{place}", (f"BatchNorm_{i}",))
        for i, place in enumerate((19, 21, 23)):
            flattened = 256 if i == 0 else 1
            yield Layer("dense", f"network.{place}", (f"Dense_{i}",), flattened)
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
            yield Layer("conv", f"features.{place}", (f"Conv_{i}",))
            if batch_norm:
                yield Layer("norm", f"features.{place + 1}", (f"BatchNorm_{i}",))
            place += 3 if batch_norm else 2
            i += 1
        place += 1  # the pooling
    for i, place in enumerate((1, 4, 6)):
        yield Layer("dense", f"classifier.{place}", (f"Dense_{i}",))


def _preresnet(depth: int) -> Iterator[Layer]:
    yield Layer("conv", "conv1", ("Conv_0",))
    per_stage = (depth - 2) // 9
    for i in range(per_stage * len(WIDTHS)):
        stage, block = divmod(i, per_stage)
        theirs, ours = f"layer{stage + 1}.{block}", f"Bottleneck_{i}"
        for j in range(3):
            yield Layer("norm", f"{theirs}.bn{j + 1}", (ours, f"BatchNorm_{j}"))
            yield Layer("conv", f"{theirs}.conv{j + 1}", (ours, f"Conv_{j}"))
        if block == 0:
            yield Layer("conv", f"{theirs}.downsample.0", (ours, "projection"))
    yield Layer("norm", "bn", ("BatchNorm_0",))
    yield Layer("dense", "fc", ("Dense_0",))


def _dense_from_torch(layer: Layer, weight: np.ndarray) -> np.ndarray:
    features, inputs = weight.shape
    planes = weight.reshape(features, layer.flattened, inputs // layer.flattened)
    return planes.transpose(2, 1, 0).reshape(inputs, features)


def _dense_to_torch(layer: Layer, kernel: np.ndarray) -> np.ndarray:
    inputs, features = kernel.shape
    pixels = kernel.reshape(inputs // layer.flattened, layer.flattened, features)
    return pixels.transpose(2, 1, 0).reshape(features, inputs)


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def _get(tree: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree
