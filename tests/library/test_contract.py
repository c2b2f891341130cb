"""What optax asks of a contributed method, of every transformation here.

After optax's contrib/_common_test.py and contrib/_sharding_test.py: extra arguments, no
second compilation, tree.map_params, convergence, inject_hyperparams, dtypes kept,
MultiSteps, a state stable in shape, dtype and sharding, abstract parameters.
"""

import functools
import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm


def behind_lm(**kwargs):
    """A chain as users write it, with the numbers of both as arguments."""

    def make(eps=1.0, learning_rate=0.1):
        tx = lm.landscape_modify(eps=eps, **kwargs)
        return optax.chain(tx, optax.sgd(learning_rate))

    return make


def accumulated(every=1):
    return lm.accumulate(behind_lm()(), every)


METHODS = {
    "landscape_modify": (lm.landscape_modify, {}),
    "running_min": (behind_lm(), {}),
    "constant": (lambda c=0.5: behind_lm(threshold=lm.constant(c))(), {}),
    "smoothed_min": (lambda d=0.9: behind_lm(threshold=lm.smoothed_min(d))(), {}),
    "windowed_min": (behind_lm(threshold=lm.windowed_min(3)), {}),
    "power": (lambda p=1.5: behind_lm(f=lm.power(p))(), {}),
    "bounded": (lambda a=2.0, w=0.5: behind_lm(f=lm.bounded(a, w))(), {}),
    "accumulate": (accumulated, {}),
    "sgd": (lm.torch_optim.sgd, {"lr": 0.05, "momentum": 0.5, "nesterov": True}),
    "adam": (lm.torch_optim.adam, {"lr": 0.1}),
    "adagrad": (lm.torch_optim.adagrad, {"lr": 1.0}),
    "rmsprop": (lm.torch_optim.rmsprop, {"lr": 0.01, "momentum": 0.5}),
}


def made(name):
    make, kwargs = METHODS[name]
    return make(**kwargs)


TARGET = {"a": jnp.array([1.0, -1.0, 1.0]), "b": jnp.array([[1.0, 0.0], [-1.0, 1.0]])}
START = {"a": jnp.array([-1.0, 3.0, 1.0]), "b": jnp.zeros((2, 2))}


def loss_fn(params, target=TARGET):
    return sum(
        jnp.sum((p - q) ** 2) for p, q in zip(*map(jax.tree.leaves, (params, target)))
    )


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.promotes
def test_extra_arguments_no_second_compilation_and_convergence(name):
    tx, traces = made(name), []

    def step(params, state):
        traces.append(1)
        value, grads = jax.value_and_grad(loss_fn)(params)
        updates, state = tx.update(grads, state, params, value=value, unexpected=1)
        if name == "landscape_modify":
            updates = jax.tree.map(lambda u: -0.1 * u, updates)
        return optax.apply_updates(params, updates), state

    params, state = START, tx.init(START)
    state = optax.tree.map_params(tx, lambda v: v, state)
    jitted = jax.jit(step)
    for _ in range(2):
        params, state = jitted(params, state)
    assert len(traces) == 1
    params, state = jax.jit(
        lambda carry: jax.lax.fori_loop(0, 2000, lambda _, c: step(*c), carry)
    )((params, state))
    chex.assert_trees_all_close(params, TARGET, rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.promotes
def test_inject_hyperparams_is_the_same(name):
    make, kwargs = METHODS[name]
    params = [-jnp.ones((2, 3)), jnp.ones((2, 5, 2))]
    grads = [jnp.ones((2, 3)), -jnp.ones((2, 5, 2))]
    results = []
    for tx in (make(**kwargs), optax.inject_hyperparams(make)(**kwargs)):
        state = jax.jit(tx.init)(params)
        for value in (3.0, 4.0):
            updates, state = jax.jit(tx.update)(grads, state, params, value=value)
        results.append((updates, getattr(state, "inner_state", state)))
    chex.assert_trees_all_close(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.promotes
def test_dtypes_are_kept_alone_in_multisteps_and_in_cond(name):
    """With a value of another dtype than the parameters, as in optax's test."""
    for dtype, other in ((jnp.bfloat16, jnp.float32), (jnp.float64, jnp.float16)):
        with jax.enable_x64(dtype == jnp.float64):
            params = jnp.array([1.0, 2.0], dtype)
            tx = made(name)
            wrapped = optax.MultiSteps(tx, 4) if dtype == jnp.bfloat16 else tx
            state = wrapped.init(params)

            @jax.jit
            def step(state, flag, wrapped=wrapped, params=params, other=other):
                return jax.lax.cond(
                    flag,
                    lambda: wrapped.update(params, state, params, value=other(2.0)),
                    lambda: (params, state),
                )

            updates, following = step(state, True)
            assert updates.dtype == dtype
            chex.assert_trees_all_equal_shapes_and_dtypes(state, following)
            if dtype == jnp.bfloat16:
                assert (updates == 0).all()
                updates, _ = tx.update(params, tx.init(params), params, value=2.0)
                assert updates.dtype == dtype


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.promotes
def test_vmap_over_every_number(name):
    """Each number's own results, wherever optax's own methods take a traced one."""
    make, kwargs = METHODS[name]
    params = jnp.array([1.0, 2.0])

    def two_steps(**numbers):
        tx = make(**{**kwargs, **numbers})
        state = tx.init(params)
        for value in (3.0, 4.0):
            updates, state = tx.update(params, state, params, value=value)
        return updates

    numbers = {
        key: kwargs.get(key, parameter.default)
        for key, parameter in inspect.signature(make).parameters.items()
    }
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        values = jnp.array([value, value + (1 if isinstance(value, int) else 0.05)])
        if key in ("d", "alpha"):
            values = jnp.array([0.5, 0.9])
        got = jax.vmap(lambda v, key=key: two_steps(**{key: v}))(values)
        expected = [two_steps(**{key: v.item()}) for v in values]
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7, err_msg=key)


@pytest.mark.parametrize("name", METHODS)
def test_abstract_parameters(name):
    assert made(name).init(jax.ShapeDtypeStruct((2, 4, 8), jnp.float32)) is not None


@pytest.mark.parametrize("name", [*METHODS, "accumulate 2"])
@pytest.mark.promotes
def test_explicit_sharding_is_kept(name):
    tx = lm.accumulate(made("adam"), 2) if name == "accumulate 2" else made(name)
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    sharding = jax.sharding.NamedSharding(mesh, jax.P(None, "x"))
    update = functools.partial(tx.update, value=1.0)
    with jax.set_mesh(mesh):
        params = jnp.zeros((2, 8, 4), jnp.float16, out_sharding=sharding)
        state = tx.init(params)
        updates, following = update(params, state, params)
        jitted = jax.jit(tx.init)(params)
        jitted_updates, jitted_following = jax.jit(update)(params, state, params)
        types = jax.tree.map(jax.typeof, state)
        assert jax.tree.map(jax.typeof, following) == types
        assert jax.tree.map(jax.typeof, jitted) == types
        assert jax.tree.map(jax.typeof, jitted_following) == types
        assert jax.typeof(updates) == jax.typeof(jitted_updates) == jax.typeof(params)


def test_accumulate_with_a_traced_count():
    """As optax.MultiSteps takes a schedule of it."""
    update = jax.jit(
        lambda every, state: lm.accumulate(optax.sgd(1.0), every).update(
            jnp.ones(2), state, value=1.0
        )
    )
    state = lm.accumulate(optax.sgd(1.0), 1).init(jnp.ones(2))
    updates, state = update(3, state)
    assert (updates == 0).all()
    updates, state = update(2, state)
    assert (updates == -1).all()
    updates, state = update(3, state)
    updates, state = update(3, state)
    updates, state = update(1, state)  # lowered below the micro-steps taken
    assert (updates == -1).all()
