"""Shapes and thresholds as options spell them: looked up, never evaluated."""

import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm
from experiments.config import spelled
from experiments.config.options import Protocol
from experiments.errors import UserError

SHAPES, THRESHOLDS = spelled.shapes(), spelled.thresholds()


@pytest.mark.parametrize("name", sorted(lm.SHAPES))
def test_every_named_shape_can_be_spelled(name):
    assert spelled.make("--f", name, SHAPES) == lm.SHAPES[name]


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


def losses_to_c(threshold, losses):
    tx = lm.landscape_modify(threshold=threshold)
    state = tx.init(None)
    values_of_c = []
    for loss in losses:
        _, state = tx.update(None, state, value=loss)
        values_of_c.append(float(state.c))
    return values_of_c


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("running_min", lm.running_min()),
        ("constant(0.5)", lm.constant(0.5)),
        ("smoothed_min(0.5)", lm.smoothed_min(0.5)),
        ("windowed_min(n=2)", lm.windowed_min(2)),
    ],
)
def test_every_threshold_can_be_spelled(text, threshold):
    losses = (3.0, 1.0, 2.0, 4.0)
    made = spelled.make("--threshold", text, THRESHOLDS)
    assert losses_to_c(made, losses) == losses_to_c(threshold, losses)


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
        "", "(", "f(", "bounded(", "bounded(x)", "bounded(1)(2)", "lambda u: u", "1",
        "bounded(__import__('os').getcwd())", "bounded(*[1, 2])", "bounded(**{})",
        "bounded(-1)", "bounded(1, 2, 3)", "bounded(height=1)", "power()", "wavy",
        "lm.bounded(1)", "[u for u in (1,)]", "(" * 500, "bounded(1" + "+1" * 99 + ")",
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


def test_the_plain_run_serves_any_shape_and_threshold():
    protocol = Protocol(f="bounded(2)", threshold="smoothed_min(0.5)", eps=0.1)
    for_run = ("digits", "simple_cnn", "sgd", "base", 0)
    assert protocol.run(*for_run) == Protocol().run(*for_run)
