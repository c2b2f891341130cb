"""Weights to PyTorch's layout and back, without PyTorch."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models

NAMES = ("simple_cnn", "nn2", "vgg16", "vgg16_bn", "preresnet20")


def random_variables(name):
    net = models.create(name)
    shapes = jax.eval_shape(
        lambda: net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    )
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda s: rng.standard_normal(s.shape, dtype=np.float32), shapes
    )


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(name):
    variables = random_variables(name)
    chex.assert_trees_all_equal(
        models.convert(name, models.to_torch(name, variables)), variables
    )


def test_layouts_by_hand():
    """Kernels (out, in, row, column); the flattened map (channel, row, column)."""
    variables = random_variables("simple_cnn")
    state = models.to_torch("simple_cnn", variables)
    params = variables["params"]
    assert state["conv2.weight"].shape == (16, 6, 5, 5)
    assert state["conv2.weight"][7, 3, 1, 4] == params["Conv_1"]["kernel"][1, 4, 3, 7]
    assert state["fc2.weight"][5, 9] == params["Dense_1"]["kernel"][9, 5]
    row, column, channel = 2, 3, 11
    theirs = channel * 25 + row * 5 + column
    ours = (row * 5 + column) * 16 + channel
    assert state["fc1.weight"][8, theirs] == params["Dense_0"]["kernel"][ours, 8]


def test_a_missing_a_strange_and_a_misshapen_entry_are_named():
    state = models.to_torch("simple_cnn", random_variables("simple_cnn"))
    with pytest.raises(ValueError, match=r"has no 'conv2\.weight'"):
        models.convert(
            "simple_cnn", {k: state[k] for k in state if k != "conv2.weight"}
        )
    with pytest.raises(ValueError, match=r"lacks: conv9\.weight"):
        models.convert("simple_cnn", state | {"conv9.weight": np.zeros(1)})
    with pytest.raises(ValueError, match=r"'fc3\.weight' must have 2 dimensions"):
        models.convert("simple_cnn", state | {"fc3.weight": np.zeros(3)})
    with pytest.raises(ValueError, match="no weights are known"):
        models.convert("transformer", state)
