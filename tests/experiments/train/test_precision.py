"""What --precision asks of XLA, on a CPU and for a GPU, and what a run says of it."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import models
from experiments.config.precision import arithmetic
from experiments.runs.provenance import provenance
from experiments.train.problem import make_problem
from experiments.train.step import (
    Batch,
    Images,
    batch_statistics,
    evaluate_batch,
    init_state,
    train_step,
)
from experiments.train.trainer import Keys
from tests.helpers import CONFIG

KEYS = Keys.of(0)
NETWORKS = ("simple_cnn", "preresnet11")
ASKED = {"float32": "HIGHEST", "tensorfloat32": "HIGH"}


def problem(precision, model="simple_cnn"):
    config = dataclasses.replace(CONFIG, model=model, precision=precision)
    return make_problem(config, 7)


def functions(precision, model):
    """A step, a test and a pass for batch statistics, with what they are called on."""
    of = problem(precision, model)
    state = jax.eval_shape(lambda: init_state(of, KEYS.init))
    labels = jax.ShapeDtypeStruct((8,), jnp.int32)
    batch = Batch(jax.ShapeDtypeStruct((8, 32, 32, 3), jnp.float32), labels)
    test = Images(jax.ShapeDtypeStruct((8, 32, 32, 3), jnp.uint8), labels)
    listed = {
        "train": (functools.partial(train_step, of), (state, batch, KEYS.step)),
        "test": (
            functools.partial(evaluate_batch, of, size=8),
            (state, test, np.int32(0), KEYS.evaluation),
        ),
    }
    if state.batch_stats:
        arguments = (state.params, state.batch_stats, batch, KEYS.step)
        listed["statistics"] = (functools.partial(batch_statistics, of), arguments)
    return listed


def products(text):
    """The precisions of each product's or convolution's two operands, as lowered."""
    lines = re.findall(r"stablehlo\.(?:convolution|dot_general).*", text)
    return [tuple(re.findall(r"\b(DEFAULT|HIGH|HIGHEST)\b", line)) for line in lines]


@pytest.mark.parametrize(("precision", "model"), zip(ASKED, NETWORKS))
def test_every_product_for_a_gpu_asks_for_the_precision(precision, model):
    for name, (function, arguments) in functions(precision, model).items():
        lowered = (
            jax.jit(function).trace(*arguments).lower(lowering_platforms=("cuda",))
        )
        precisions = products(lowered.as_text())
        assert len(precisions) >= 5, name
        assert set(precisions) == {(ASKED[precision],) * 2}, name


def test_float32_and_tensorfloat32_are_equal_on_a_cpu_and_as_without_a_word():
    results = []
    for precision in ("float32", "tensorfloat32", None):
        of = problem(precision or "float32")
        if precision is None:
            of = dataclasses.replace(of, products=None)
        state = init_state(of, KEYS.init)
        batch = Batch(
            jax.random.normal(KEYS.order, (8, 32, 32, 3)),
            jnp.arange(8, dtype=jnp.int32),
        )
        step = jax.jit(functools.partial(train_step, of))
        for _ in range(2):
            state, metrics = step(state, batch, KEYS.step)
        results.append(jax.tree.leaves((state, metrics)))
    for one, other, third in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, third)


@pytest.mark.parametrize(
    ("precision", "backend", "capability", "expected"),
    [
        ("bfloat16", "cpu", None, "float32, rounded to bfloat16"),
        ("float32", "gpu", "9.0", "float32"),
        ("tensorfloat32", "gpu", "9.0", "tensorfloat32"),
        ("tensorfloat32", "gpu", "7.5", "float32"),
        ("tensorfloat32", "gpu", "gfx90a", "float32"),
        ("bfloat16", "gpu", "9.0", "bfloat16"),
        ("float32", "tpu", None, "float32 by tpu's bfloat16 units"),
    ],
)
def test_the_arithmetic_that_a_run_has(precision, backend, capability, expected):
    assert arithmetic(precision, backend, capability) == expected


def test_a_runs_provenance_names_it():
    assert provenance("tensorfloat32")["machine"]["arithmetic"] == "float32"
    assert "arithmetic" not in provenance()["machine"]


def test_every_network_takes_every_precision():
    for precision in (*ASKED, "bfloat16"):
        for name in models.NAMES:
            assert problem(precision, name).model is not None
