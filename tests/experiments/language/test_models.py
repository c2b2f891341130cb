"""The networks, against loops over NumPy arrays."""

import functools

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from experiments.language.models import MODELS
from experiments.language.options import Shape

SMALL = Shape(context=6, width=8, depth=2, heads=2, hidden=5)
CHARACTERS = 7


def randomized(params):
    """Weights none of which is 0 or 1, so that all of them count."""
    flat, tree = ravel_pytree(params)
    noise = np.random.default_rng(0).normal(0, 0.3, flat.shape)
    return jax.device_get(tree(flat + noise.astype(np.float32)))


def normalized(norm, x):
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return x * norm["scale"] + norm["bias"]


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def affine(layer, x):
    return x @ layer["w"] + layer["b"]


def transformer(params, tokens):
    """Logits of one sequence, position by position and head by head."""
    x = [params["embedding"][token] for token in tokens]
    x = [row + position for row, position in zip(x, params["positions"])]
    n, heads = SMALL.width, SMALL.heads
    for block in params["blocks"]:
        qkv = [affine(block["qkv"], normalized(block["norm"], row)) for row in x]
        q, k, v = ([row[i * n : (i + 1) * n] for row in qkv] for i in range(3))
        for place in range(len(x)):
            mixed = np.zeros(n)
            for head in range(heads):
                part = slice(head * n // heads, (head + 1) * n // heads)
                scores = [q[place][part] @ k[i][part] for i in range(place + 1)]
                weights = np.exp(np.array(scores) / np.sqrt(n / heads))
                weights /= weights.sum()
                mixed[part] = sum(w * row[part] for w, row in zip(weights, v))
            x[place] = x[place] + affine(block["mixed"], mixed)
        for place, row in enumerate(x):
            up = gelu(affine(block["up"], normalized(block["middle"], row)))
            x[place] = row + affine(block["down"], up)
    return [affine(params["out"], normalized(params["norm"], row)) for row in x]


def lstm(params, tokens):
    h, cell, logits = np.zeros(SMALL.hidden), np.zeros(SMALL.hidden), []
    for token in tokens:
        gates = affine(params["in"], params["embedding"][token]) + h @ params["again"]
        i, forget, new, o = gates.reshape(4, -1)
        i, forget, o = (1 / (1 + np.exp(-x)) for x in (i, forget, o))
        cell = forget * cell + i * np.tanh(new)
        h = o * np.tanh(cell)
        logits.append(affine(params["out"], h))
    return logits


@pytest.mark.parametrize(
    ("name", "by_hand"), [("transformer", transformer), ("lstm", lstm)]
)
def test_a_network_is_its_formulas(name, by_hand):
    model = MODELS[name]
    params = randomized(model.init(jax.random.key(0), SMALL, CHARACTERS))
    tokens = np.random.default_rng(1).integers(0, CHARACTERS, (3, SMALL.context))
    expected = [by_hand(params, row) for row in tokens]
    logits = jax.jit(model.apply, static_argnums=0)(SMALL, params, tokens)
    np.testing.assert_allclose(logits, expected, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        # Embeddings (65 + 64)·64; two blocks of 12·64² weights, 9·64 biases and two
        # norms of 2·64; a norm; the last layer 64·65 + 65.
        ("transformer", 129 * 64 + 2 * (12 * 4096 + 9 * 64 + 256) + 128 + 65 * 65),
        # Embeddings 65·64; gates (64 + 128)·512 + 512; the last layer 128·65 + 65.
        ("lstm", 65 * 64 + 192 * 512 + 512 + 129 * 65),
    ],
)
def test_parameters_are_counted(name, count):
    init = functools.partial(MODELS[name].init, shape=Shape(), characters=65)
    params = jax.eval_shape(init, jax.random.key(0))
    assert sum(x.size for x in jax.tree.leaves(params)) == count
    assert count == pytest.approx(112_000, abs=1_000)


def test_only_the_forget_gates_of_a_fresh_lstm_are_open():
    bias = MODELS["lstm"].init(jax.random.key(0), SMALL, CHARACTERS)["in"]["b"]
    np.testing.assert_array_equal(bias.reshape(4, -1).mean(axis=1), [0, 1, 0, 0])


@pytest.mark.parametrize("name", MODELS)
def test_a_fresh_network_guesses(name):
    model = MODELS[name]
    tokens = np.random.default_rng(0).integers(0, 65, (4, 64))

    @jax.jit
    def guesses(key):
        params = model.init(key, Shape(), 65)
        return jax.nn.softmax(model.apply(Shape(), params, tokens))

    p = guesses(jax.random.key(1))
    assert 0.4 / 65 < p.min() < p.max() < 2.5 / 65
