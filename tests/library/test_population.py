"""`population` in `landscape_modify`: one c under vmap and shard_map."""

import functools

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
    state, rows = tx.init(jnp.float32(0)), []
    for loss in losses:
        _, state = tx.update(jnp.float32(1), state, value=loss)
        rows.append(lm.current(state)[1:3])
    return tuple(map(jnp.stack, zip(*rows)))


def members(threshold):
    return jax.vmap(
        functools.partial(steps, threshold),
        axis_name="particles", in_axes=1, out_axes=1,
    )  # fmt: skip


def expected(reduce):
    shared = {"min": np.nanmin, "mean": np.nanmean}[reduce](np.asarray(LOSSES), axis=1)
    return np.tile(np.minimum.accumulate(shared)[:, None], 4)


@pytest.mark.parametrize("reduce", ["min", "mean"])
def test_members_under_vmap_share_c(reduce):
    c, scale = members(lm.population(reduce, axis_name="particles"))(LOSSES)
    np.testing.assert_allclose(c, expected(reduce), rtol=1e-6)
    above = np.maximum(np.asarray(LOSSES) - expected(reduce), 0)
    # A member whose loss is not finite stands still, and hears of c all the same.
    np.testing.assert_allclose(scale, np.nan_to_num(1 / (above + 1)), rtol=1e-6)


def over_devices(member, devices, **kwargs):
    mesh = jax.make_mesh((devices,), ("devices",))
    spec = jax.P(None, "devices")
    mapped = jax.shard_map(
        member, mesh=mesh, in_specs=spec, out_specs=(spec, spec), **kwargs
    )
    return jax.jit(mapped)(jax.device_put(LOSSES, jax.NamedSharding(mesh, spec)))


def test_members_over_devices_share_c():
    threshold = lm.population(axis_name="devices")
    member = lambda losses: [x[:, None] for x in steps(threshold, losses[:, 0])]
    c, _ = over_devices(lambda losses: tuple(member(losses)), 4)
    np.testing.assert_allclose(c, expected("min"), rtol=1e-6)


def test_several_members_on_each_device():
    threshold = lm.population("mean", axis_name=("devices", "particles"))
    # With check_vma, JAX 0.10 takes a vmap's axis for none inside of shard_map.
    c, _ = over_devices(members(threshold), 2, check_vma=False)
    np.testing.assert_allclose(c, expected("mean"), rtol=1e-6)


def test_where_no_loss_is_finite_c_stays():
    losses = jnp.array([[2.0, 3.0], [jnp.nan, jnp.inf], [4.0, 5.0]])
    c, _ = members(lm.population(axis_name="particles"))(losses)
    np.testing.assert_array_equal(c, np.full((3, 2), 2.0))


def test_outside_of_a_map_the_axis_is_named():
    tx = lm.landscape_modify(threshold=lm.population(axis_name="particles"))
    with pytest.raises(ValueError, match="axis_name is 'particles', which names no"):
        tx.update(1.0, tx.init(None), value=1.0)
