"""Shapes and thresholds as options spell them: looked up, never evaluated."""

import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm
from experiments.config import spelled
from experiments.config.options import Protocol
from experiments.errors import UserError

SHAPES, THRESHOLDS = spelled.shapes(), spelled.thresholds()


def test_every_named_shape_can_be_spelled():
    for name, shape in lm.SHAPES.items():
        assert spelled.make("--f", name, SHAPES) == shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("bounded(2, 0.5)", lm.bounded(2, 0.5)),
        (" bounded( bound=2, width=0.5 ) ", lm.bounded(2, 0.5)),
        ("power(3)", lm.power(3)),
    ],
)
def test_shapes_take_their_parameters(text, shape):
    u = jnp.linspace(0, 4, 9)
    np.testing.assert_array_equal(spelled.make("--f", text, SHAPES)(u), shape(u))


def test_every_threshold_can_be_spelled():
    for text, threshold in {
        "running_min": lm.running_min(),
        "constant(0.5)": lm.constant(0.5),
        "smoothed_min(0.5)": lm.smoothed_min(0.5),
        "windowed_min(n=2)": lm.windowed_min(2),
    }.items():
        assert spelled.make("--threshold", text, THRESHOLDS) == threshold


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("bounded", "bounded"),
        ("bounded()", "bounded"),
        ("bounded(1, 1.0)", "bounded"),
        ("bounded(2.0, width=1)", "bounded(bound=2)"),
        ("power(p=0.5)", "power(p=0.5)"),
    ],
)
def test_equal_shapes_have_one_spelling(text, canonical):
    assert spelled.canonical("--f", text, SHAPES) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", "f(", "bounded(x)", "bounded(1)(2)", "lambda u: u", "1", "wavy", "power()",
        "bounded(__import__('os').getcwd())", "bounded(*[1, 2])", "bounded(**{})",
        "bounded(-1)", "lm.bounded(1)", "(" * 500, "bounded(1" + "+1" * 99 + ")",
    ],
)  # fmt: skip
def test_what_is_no_shape_is_refused_by_its_option(text):
    with pytest.raises(UserError, match=r"^--f "):
        spelled.canonical("--f", text, SHAPES)


def test_a_constant_threshold_is_the_constant_c():
    spelled = Protocol(threshold="constant(1)")
    short = Protocol(c=1.0)
    for_run = ("digits", "simple_cnn", "sgd", "lm", 0)
    assert spelled.run(*for_run) == short.run(*for_run)
    with pytest.raises(UserError, match="choose one of them"):
        Protocol(threshold="constant(1)", c=2.0).run(*for_run)
