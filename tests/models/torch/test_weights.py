"""Weights to PyTorch's layout and back, without PyTorch."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models

NAMES = ("nn2", "vgg16_bn", "preresnet20")


def random_variables(name):
    net = models.create(name)
    shapes = jax.eval_shape(
        lambda: net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    )
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda s: rng.random(s.shape, dtype=np.float32), shapes)


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


VARIABLES = random_variables("simple_cnn")
STATE = models.to_torch("simple_cnn", VARIABLES)


def test_every_entry_that_does_not_fit_is_listed():
    state = STATE | {
        "conv1.weight": np.zeros((6, 3, 3, 3), np.float32),
        "conv9.weight": np.zeros(1, np.float32),
        "fc1.bias": np.zeros(120, np.int8),
        "fc2.bias": "zeros",
        "epoch": 3,
    }
    del state["conv2.bias"], state["fc3.weight"]
    with pytest.raises(
        ValueError, match="the state dict does not fit simple_cnn:"
    ) as e:
        models.convert("simple_cnn", state)
    assert [line.strip() for line in str(e.value).splitlines()[1:]] == [
        "conv1.weight must have shape (6, 3, 5, 5), got (6, 3, 3, 3)",
        "conv2.bias is missing, of shape (16,)",
        "fc1.bias must be of floating-point numbers, got int8",
        "fc2.bias must have shape (84,), got str",
        "fc3.weight is missing, of shape (10, 84)",
        "conv9.weight is unexpected, got (1,)",
        "epoch is unexpected, got int",
    ]


def test_variables_that_do_not_fit_are_listed_too():
    params = dict(VARIABLES["params"], Dense_9={"bias": np.zeros(3)})
    del params["Conv_1"]
    with pytest.raises(ValueError, match="the variables do not fit simple_cnn:") as e:
        models.to_torch("simple_cnn", {"params": params})
    assert [line.strip() for line in str(e.value).splitlines()[1:]] == [
        "params/Conv_1/kernel is missing, of shape (5, 5, 6, 16)",
        "params/Conv_1/bias is missing, of shape (16,)",
        "params/Dense_9/bias is unexpected, got (3,)",
    ]


def test_another_number_of_classes_is_asked_for_by_name():
    net = models.create("simple_cnn", num_classes=100)
    variables = net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    state = models.to_torch("simple_cnn", variables, num_classes=100)
    chex.assert_trees_all_equal(
        models.convert("simple_cnn", state, num_classes=100), variables
    )
    with pytest.raises(ValueError, match="for 100 classes, pass num_classes=100"):
        models.convert("simple_cnn", state)


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_half_precision_is_widened_and_double_precision_stays(dtype):
    double = {k: v.astype(np.float64) for k, v in STATE.items()}
    bias = models.convert("simple_cnn", double)["params"]["Conv_0"]["bias"]
    assert bias.dtype == np.float64
    narrow = {k: v.astype(dtype) for k, v in STATE.items()}
    expected = jax.tree.map(lambda v: v.astype(dtype).astype(np.float32), VARIABLES)
    variables = models.convert("simple_cnn", narrow)
    chex.assert_trees_all_equal(variables, expected)
    chex.assert_trees_all_equal_dtypes(variables, expected)
    narrow = jax.tree.map(lambda v: jnp.asarray(v, dtype), VARIABLES)
    assert models.to_torch("simple_cnn", narrow)["fc3.bias"].dtype == np.float32


def test_weights_are_copies():
    state = {k: v.copy() for k, v in STATE.items()}
    variables = models.convert("simple_cnn", state)
    for value in state.values():
        value += 1
    chex.assert_trees_all_equal(variables, VARIABLES)
    written = models.to_torch("simple_cnn", variables)
    for value in written.values():
        value += 1
    chex.assert_trees_all_equal(variables, VARIABLES)


def prefixed(prefix):
    return {prefix + name: value for name, value in STATE.items()}


@pytest.mark.parametrize(
    "checkpoint",
    [
        prefixed("module."),
        prefixed("_orig_mod.module.") | {"n_averaged": np.asarray(3)},
        {k.replace(".", ".module.", 1): v for k, v in STATE.items()},
        {"state_dict": prefixed("net._orig_mod."), "epoch": 3},
        {"net": prefixed("module."), "acc": 0.9},
        {
            "model_state_dict": STATE,
            "optimizer": {"state": {0: {}}, "param_groups": []},
        },
        {"ema": {"model": STATE, "decay": 0.999}},
    ],
    ids=lambda checkpoint: next(iter(checkpoint)),
)
def test_prefixes_and_checkpoints_around_the_state_dict(checkpoint):
    chex.assert_trees_all_equal(models.convert("simple_cnn", checkpoint), VARIABLES)


def test_the_blocks_of_a_network_are_no_prefixes():
    """layer1.0.conv1.weight ends like conv1.weight."""
    state = models.to_torch("preresnet20", random_variables("preresnet20"))
    del state["bn.weight"]
    with pytest.raises(
        ValueError, match=r"preresnet20:\n  bn.weight is missing.*256,.$"
    ):
        models.convert("preresnet20", state)


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        (
            {"model": STATE, "ema": {"model": STATE}},
            r"pass checkpoint\['model'\] or checkpoint\['ema'\]\['model'\]",
        ),
        (prefixed("online.") | prefixed("ema."), "several times, under other prefixes"),
        (STATE | prefixed("module."), "several times, under other prefixes"),
        (list(STATE.values()), "from names to tensors, got list"),
    ],
)
def test_what_is_ambiguous_is_not_guessed(checkpoint, message):
    with pytest.raises(ValueError, match=message):
        models.convert("simple_cnn", checkpoint)
