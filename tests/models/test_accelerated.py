"""What accelerators run in place of what CPUs do, run on a CPU."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.train.problem import make_problem
from experiments.train.step import Batch, init_state, train_step
from experiments.train.trainer import Keys
from models import layers
from models.accelerated import Accelerated, Packed
from models.cpu import norm, pool
from tests.helpers import CONFIG

KEYS = Keys.of(0)


def is_packed(tree):
    return isinstance(tree, Packed)


@pytest.fixture
def as_accelerators(monkeypatch):
    """Take what other platforms than CPUs take."""

    def default(*arrays, cpu, default):
        return default(*arrays)

    monkeypatch.setattr(jax.lax, "platform_dependent", default)


@functools.cache
def problem(model):
    return make_problem(dataclasses.replace(CONFIG, model=model, momentum=0.9), 7)


@functools.cache
def fresh(model):
    return jax.jit(functools.partial(init_state, problem(model)))(KEYS.init)


def batch(n):
    images = jax.random.normal(KEYS.order, (n, 32, 32, 3))
    return Batch(images, jnp.arange(n, dtype=jnp.int32) % 10)


def test_packing_a_state_loses_nothing():
    state = fresh("preresnet11")
    model = Accelerated(problem("preresnet11").model)
    packed = model.pack(state)
    chex.assert_trees_all_equal(model.unpack(packed), state)
    kernels = [leaf for leaf in packed.params.others if leaf.ndim == 4]
    first = state.params["Bottleneck_0"]["Conv_0"]["kernel"].transpose(3, 0, 1, 2)
    np.testing.assert_array_equal(kernels[0], first)
    # A dictionary's short vectors of one name and length are one: here of batch norm.
    assert set(packed.batch_stats.vectors) == {
        f"{name} {n}" for name in ("mean", "var") for n in (16, 32, 64, 128, 256)
    }
    assert jax.tree.structure(packed.params) in [
        jax.tree.structure(part)
        for part in jax.tree.leaves(packed.opt_state, is_leaf=is_packed)
    ]


def test_steps_in_an_accelerators_form_are_those_of_a_cpu(request):
    """Other orders of summing: the last digits differ, which batch norm magnifies."""
    of, state = problem("preresnet11"), fresh("preresnet11")
    accelerated = Accelerated(of.model)
    expected = jax.jit(functools.partial(train_step, of))
    plain, metrics = state, []
    for _ in range(2):
        plain, one = expected(plain, batch(8), KEYS.step)
        metrics.append(one)
    request.getfixturevalue("as_accelerators")
    fast = dataclasses.replace(of, model=accelerated)
    step = jax.jit(functools.partial(train_step, fast))
    packed = accelerated.pack(state)
    for one in metrics:
        packed, got = step(packed, batch(8), KEYS.step)
        chex.assert_trees_all_close(got, one, rtol=1e-4)
    got = accelerated.unpack(packed)
    chex.assert_trees_all_close(got.params, plain.params, rtol=1e-2, atol=1e-4)
    chex.assert_trees_all_close(got.batch_stats, plain.batch_stats, rtol=1e-3)


@pytest.mark.parametrize("near", [0.0, 2.5])
def test_moments_about_a_running_mean(near, as_accelerators):
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (16, 4, 4, 5))
    mean, var = norm.batch_moments(x, None, jnp.full(5, near))
    wide = np.asarray(x, np.float64)
    np.testing.assert_allclose(mean, wide.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(var, wide.var((0, 1, 2)), rtol=1e-5)


def test_the_pooling_gradient_by_number_is_the_one_by_comparison(as_accelerators):
    x = jax.random.randint(jax.random.key(0), (2, 5, 7, 3), -1, 2).astype(jnp.float32)
    g = jax.random.normal(jax.random.key(1), (2, 2, 3, 3))
    got, xlas = (jax.vjp(f, x)[1](g)[0] for f in (pool.max_pool, pool.native))
    np.testing.assert_array_equal(got, xlas)


def test_relu_is_jaxs():
    x = jnp.array([-2.0, -0.0, 0.0, 3.0, jnp.inf])
    g = jnp.arange(1.0, 6.0)
    ours = functools.partial(layers.relu, accelerated=True)
    for one, other in zip(*(jax.vjp(f, x) for f in (ours, jax.nn.relu))):
        got, expected = (y(g)[0] if callable(y) else y for y in (one, other))
        np.testing.assert_array_equal(got, expected)


def test_pooling_before_relu_is_pooling_after_it():
    x = jax.random.randint(jax.random.key(0), (2, 6, 6, 3), -2, 3).astype(jnp.float32)
    g = jax.random.normal(jax.random.key(1), (2, 3, 3, 3))
    one, other = (
        jax.vjp(functools.partial(layers.relu_max_pool, accelerated=a), x)
        for a in (False, True)
    )
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1](g)[0], other[1](g)[0])


@pytest.mark.parametrize("model", ["preresnet11", "vgg16"])
def test_a_padded_mini_batch_trains_as_its_rows_alone(model, monkeypatch):
    """Even the dropout masks are the same: a row's come from its own number."""
    if model == "vgg16":  # with dropout, and narrow, to compile fast
        from models import vgg

        monkeypatch.setitem(vgg.STAGES, 16, ((4,),) * 5)
    of, state = problem(model), fresh(model)
    step = jax.jit(functools.partial(train_step, of))
    rows, whole = 5, batch(8)
    alone = whole._replace(images=whole.images[:rows], labels=whole.labels[:rows])
    expected, expected_metrics = step(state, alone, KEYS.step)
    padded = whole._replace(rows=jnp.int32(rows))
    got, metrics = step(state, padded, KEYS.step)
    chex.assert_trees_all_close(metrics, expected_metrics, rtol=1e-5)
    chex.assert_trees_all_close(got.params, expected.params, rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_close(
        got.batch_stats, expected.batch_stats, rtol=1e-5, atol=1e-6
    )
