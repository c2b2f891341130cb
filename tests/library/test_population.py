"""`population` in `landscape_modify`: one c under vmap and shard_map."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

LOSSES = jnp.array(
    [[3.0, 5.0, 4.0, 6.0], [7.0, 2.0, jnp.nan, 8.0], [4.0, 9.0, 1.0, 3.0]]
)


def steps(threshold, losses):
    """c and scale after each loss of one member."""
    tx = optax.chain(lm.landscape_modify(threshold=threshold), optax.sgd(1.0))
    state = tx.init(jnp.float32(0))

    def step(state, loss):
        _, state = tx.update(jnp.float32(1), state, value=loss)
        now = lm.current(state)
        return state, (now.c, now.scale)

    found = []
    for loss in losses:
        state, out = step(state, loss)
        found.append(out)
    c, scale = zip(*found)
    return jnp.stack(c), jnp.stack(scale)


def expected(reduce):
    told = {"min": np.nanmin, "mean": np.nanmean}[reduce](np.asarray(LOSSES), axis=1)
    return np.minimum.accumulate(told)


@pytest.mark.parametrize("reduce", ["min", "mean"])
def test_members_under_vmap_share_c(reduce):
    threshold = lm.population(reduce, axis_name="particles")
    c, scale = jax.vmap(
        lambda losses: steps(threshold, losses),
        axis_name="particles", in_axes=1, out_axes=1,
    )(LOSSES)  # fmt: skip
    np.testing.assert_allclose(c, np.tile(expected(reduce)[:, None], 4), rtol=1e-6)
    above = np.maximum(np.asarray(LOSSES) - expected(reduce)[:, None], 0)
    # A member whose loss is not finite stands still, and hears of c all the same.
    np.testing.assert_allclose(scale, np.nan_to_num(1 / (above + 1)), rtol=1e-6)


@pytest.mark.parametrize("reduce", ["min", "mean"])
def test_members_over_devices_share_c(reduce):
    mesh = jax.make_mesh((4,), ("particles",))
    threshold = lm.population(reduce, axis_name="particles")

    def member(losses):
        c, scale = steps(threshold, losses[:, 0])
        return c[:, None], scale[:, None]

    spec = jax.P(None, "particles")
    losses = jax.device_put(LOSSES, jax.NamedSharding(mesh, spec))
    c, _ = jax.jit(
        jax.shard_map(member, mesh=mesh, in_specs=spec, out_specs=(spec, spec))
    )(losses)
    np.testing.assert_allclose(c, np.tile(expected(reduce)[:, None], 4), rtol=1e-6)


@pytest.mark.parametrize("reduce", ["min", "mean"])
def test_several_members_on_each_device(reduce):
    mesh = jax.make_mesh((2,), ("devices",))
    threshold = lm.population(reduce, axis_name=("devices", "particles"))

    def members(losses):
        return jax.vmap(
            lambda losses: steps(threshold, losses)[0],
            axis_name="particles", in_axes=1, out_axes=1,
        )(losses)  # fmt: skip

    spec = jax.P(None, "devices")
    losses = jax.device_put(LOSSES, jax.NamedSharding(mesh, spec))
    # With check_vma, JAX 0.10 takes a vmap's axis for none inside of shard_map.
    mapped = jax.shard_map(
        members, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False
    )
    c = jax.jit(mapped)(losses)
    np.testing.assert_allclose(c, np.tile(expected(reduce)[:, None], 4), rtol=1e-6)


def test_where_no_loss_is_finite_c_stays():
    threshold = lm.population(axis_name="particles")
    losses = jnp.array([[2.0, 3.0], [jnp.nan, jnp.inf], [4.0, 5.0]])
    c, _ = jax.vmap(
        lambda losses: steps(threshold, losses),
        axis_name="particles", in_axes=1, out_axes=1,
    )(losses)  # fmt: skip
    np.testing.assert_array_equal(c, np.full((3, 2), 2.0))


def test_outside_of_a_map_the_axis_is_named():
    tx = lm.landscape_modify(threshold=lm.population(axis_name="particles"))
    with pytest.raises(ValueError, match="axis_name is 'particles', which names no"):
        tx.update(1.0, tx.init(None), value=1.0)


def test_equal_arguments_give_equal_thresholds():
    assert lm.population("min") == lm.population(reduce="min", axis_name="chains")


def test_minima_have_derivatives():
    def c_of(losses):
        share = lm.population(axis_name="i").share
        return jax.vmap(share, axis_name="i")(losses).sum()

    losses = jnp.array([3.0, 1.0, 2.0])
    _, dot = jax.jvp(c_of, (losses,), (jnp.array([5.0, 7.0, 9.0]),))
    np.testing.assert_allclose(dot, 3 * 7.0)
