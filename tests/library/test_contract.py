"""What optax's own cases do not ask: traced numbers, explicit sharding."""

import functools

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

import landmod_jax as lm

pytestmark = pytest.mark.promotes


def behind_lm(**kwargs):
    return optax.chain(lm.landscape_modify(**kwargs), optax.sgd(0.1))


OF_NUMBERS = {
    "constant": lambda c=0.5: behind_lm(threshold=lm.constant(c)),
    "smoothed_min": lambda d=0.9: behind_lm(threshold=lm.smoothed_min(d)),
    "power": lambda p=1.5: behind_lm(f=lm.power(p)),
    "bounded": lambda a=2.0, w=0.5: behind_lm(f=lm.bounded(a, w)),
    "torch_optim": lambda b=0.9, e=0.1: lm.torch_optim.adam(0.1, (b, 0.9), e, e),
}


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_numbers_may_be_traced(name):
    """`inject_hyperparams` holds them as arrays, which jit traces."""
    make, params = OF_NUMBERS[name], [-jnp.ones((2, 3)), jnp.ones((2, 5, 2))]
    results = []
    for tx in (make(), optax.inject_hyperparams(make)()):
        state, update = tx.init(params), jax.jit(tx.update)
        for value in (3.0, 4.0):
            updates, state = update(params, state, params, value=value)
        results.append((updates, getattr(state, "inner_state", state)))
    chex.assert_trees_all_close(*results, rtol=1e-5, atol=1e-6)


STATEFUL = {
    "running_min": behind_lm(),
    "smoothed_min": behind_lm(threshold=lm.smoothed_min()),
    "windowed_min": behind_lm(threshold=lm.windowed_min(3)),
    "adagrad": lm.torch_optim.adagrad(),
    "accumulate": lm.accumulate(behind_lm(), 2),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_explicit_sharding_is_kept(name):
    tx = STATEFUL[name]
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    sharding = jax.sharding.NamedSharding(mesh, jax.P(None, "x"))
    update = functools.partial(tx.update, value=1.0)
    with jax.set_mesh(mesh):
        params = jnp.zeros((2, 8, 4), jnp.float16, out_sharding=sharding)
        state = tx.init(params)
        updates, following = update(params, state, params)
        jitted_updates, jitted_following = jax.jit(update)(params, state, params)
        types = jax.tree.map(jax.typeof, state)
        assert jax.tree.map(jax.typeof, following) == types
        assert jax.tree.map(jax.typeof, jitted_following) == types
        assert jax.typeof(updates) == jax.typeof(jitted_updates) == jax.typeof(params)


def test_abstract_parameters():
    for tx in STATEFUL.values():
        assert tx.init(jax.ShapeDtypeStruct((2, 4, 8), jnp.float32)) is not None


def test_accumulate_with_a_traced_count():
    """As optax.MultiSteps takes a schedule of it."""
    update = jax.jit(
        lambda every, state: lm.accumulate(optax.sgd(1.0), every).update(
            jnp.ones(2), state, value=1.0
        )
    )
    state = lm.accumulate(optax.sgd(1.0), 1).init(jnp.ones(2))
    for every, step in ((3, 0), (2, -1), (3, 0), (3, 0), (1, -1)):
        updates, state = update(every, state)  # at last below the micro-steps taken
        assert (updates == step).all()
