"""Networks: sizes, initialization, shapes, names."""

import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from models import vgg

IMAGES = jnp.zeros((2, 32, 32, 3))


@functools.cache
def shapes(name, num_classes=10):
    net = models.create(name, num_classes=num_classes)
    return jax.eval_shape(lambda: net.init(jax.random.key(0), IMAGES))


def count(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


# NN2 and VGG16 as published; the others by hand from the layers' shapes.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("simple_cnn", 62_006),
        ("nn2", 5_852_234),
        ("vgg16", 15_245_130),
        ("vgg16_bn", 15_245_130 + 2 * 4_224),
        pytest.param("preresnet110", 1_146_842, marks=pytest.mark.slow),
    ],
)
def test_parameter_counts(name, parameters):
    assert count(shapes(name)["params"]) == parameters


def test_preresnet110_has_as_many_parameters_as_published():
    """Depth 9n + 2 has n blocks in each stage; each adds the same three."""
    of_11, of_20 = (count(shapes(f"preresnet{d}")["params"]) for d in (11, 20))
    assert of_11 + 11 * (of_20 - of_11) == 1_146_842


@pytest.mark.parametrize("name", ["simple_cnn", "preresnet20"])
def test_a_hundred_classes_change_the_last_layer_only(name):
    ten, hundred = shapes(name)["params"], shapes(name, 100)["params"]
    last = max(key for key in ten if key.startswith("Dense"))
    assert hundred[last]["bias"].shape == (100,)
    assert ten.keys() == hundred.keys()
    assert count(hundred) - count(ten) == 90 * (ten[last]["kernel"].shape[0] + 1)


@pytest.mark.parametrize("name", ["nn2", "preresnet20"])
def test_logits_of_bfloat16_are_float32_and_state_keeps_its_shapes(name):
    net = models.create(name, dtype=jnp.bfloat16)
    variables = shapes(name)

    def train(variables, images):
        return net.apply(
            variables,
            images,
            train=True,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats"],
        )

    logits, updated = jax.eval_shape(train, variables, IMAGES)
    chex.assert_shape(logits, (2, 10))
    assert logits.dtype == jnp.float32
    chex.assert_trees_all_equal_shapes_and_dtypes(
        updated.get("batch_stats", {}), variables.get("batch_stats", {})
    )
    logits = jax.eval_shape(lambda v, x: net.apply(v, x), variables, IMAGES)
    assert logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_pytorchs_default_initialization():
    """uniform(±1/√fan_in) for weights and biases: bounds, and variance bound²/3."""
    net = models.create("simple_cnn")
    params = net.init(jax.random.key(1), IMAGES)["params"]
    for layer, fan_in in (("Conv_0", 75), ("Conv_1", 150), ("Dense_0", 400)):
        bound = 1 / math.sqrt(fan_in)
        kernel = np.asarray(params[layer]["kernel"])
        assert np.abs(kernel).max() <= bound
        assert np.abs(kernel).max() > 0.95 * bound
        np.testing.assert_allclose(kernel.var(), bound**2 / 3, rtol=0.15)
        bias = np.asarray(params[layer]["bias"])
        assert 0 < np.abs(bias).max() <= bound


@pytest.mark.parametrize(
    ("name", "layer", "fan_out"),
    [("vgg16", ("Conv_1",), 9 * 64), ("preresnet11", ("Bottleneck_0", "Conv_1"), 144)],
)
def test_normal_initialization_of_vgg_and_preresnet(name, layer, fan_out, monkeypatch):
    narrow = (4,)  # but for the first stage, to compile fast
    monkeypatch.setitem(vgg.STAGES, 16, ((64, 64), *(narrow,) * 4))
    net = models.create(name)
    params = jax.jit(net.init)(jax.random.key(2), IMAGES)["params"]
    for key in layer:
        params = params[key]
    kernel = np.asarray(params["kernel"])
    assert kernel.size > 2_000
    np.testing.assert_allclose(kernel.std(), math.sqrt(2 / fan_out), rtol=0.06)
    assert abs(kernel.mean()) < 0.1 * kernel.std()
    if name == "vgg16":
        assert not np.asarray(params["bias"]).any()
    else:
        assert "bias" not in params


def test_dropout_is_on_in_training_only(monkeypatch):
    monkeypatch.setitem(vgg.STAGES, 16, ((4,),) * 5)  # to compile fast
    net = models.create("vgg16")
    images = jax.random.normal(jax.random.key(1), IMAGES.shape)
    variables = net.init(jax.random.key(0), images)

    @jax.jit
    def logits(key):
        rngs = {"dropout": key}
        return (
            net.apply(variables, images, train=True, rngs=rngs),
            net.apply(variables, images, rngs=rngs),
        )

    (trained, tested), (trained_again, tested_again) = map(
        logits, jax.random.split(jax.random.key(2))
    )
    assert not np.allclose(trained, trained_again)
    np.testing.assert_array_equal(tested, tested_again)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vg16", "did you mean 'vgg16'"),
        ("preresnet50", "9n [+] 2"),
        ("transformer", "choose one of"),
    ],
)
def test_wrong_names_are_answered(name, message):
    with pytest.raises(ValueError, match=message):
        models.create(name)


@pytest.mark.parametrize(("name", "smallest"), [("simple_cnn", 16), ("nn2", 8)])
def test_images_that_are_too_small_are_refused_with_the_smallest_side(name, smallest):
    network = models.create(name)

    def shapes(*shape):
        images = jnp.zeros(shape)
        return jax.eval_shape(lambda: network.init(jax.random.key(0), images))

    assert shapes(1, smallest, smallest, 3)
    for shape in ((1, smallest - 1, smallest, 3), (1, 4, 4, 3), (32, 32, 3)):
        with pytest.raises(ValueError, match=f"at least {smallest} pixels"):
            shapes(*shape)
