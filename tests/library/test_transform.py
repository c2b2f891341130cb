"""landscape_modify against NumPy by hand, its contract, and its faults."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

LOSSES = [2.0, 3.0, 1.5, 1.5, 4.0, -1.0, 0.5]
PARAMS = {"w": jnp.ones((3, 2)), "b": jnp.zeros(2)}


def by_hand(losses, f, eps, c=None):
    """(c, scale) of each step in float64; c is the running minimum without one."""
    minimum, rows = np.inf, []
    for loss in losses:
        minimum = min(minimum, loss) if c is None else c
        rows.append((minimum, 1 / (f(max(loss - minimum, 0.0)) + eps)))
    return np.array(rows).T


def run(tx, losses, grads=PARAMS):
    state, rows = tx.init(PARAMS), []
    for loss in losses:
        updates, state = tx.update(grads, state, PARAMS, value=loss)
        current = lm.current(state)
        rows.append((current.c, current.scale))
    return updates, state, np.array(rows, np.float64).T


@pytest.mark.parametrize(
    ("f", "f_by_hand"),
    [
        ("linear", lambda u: u),
        ("quadratic", lambda u: u * u),
        ("sqrt", np.sqrt),
        ("cbrt", np.cbrt),
        ("bounded", lambda u: u**3 / (1 + u**3)),
        (lm.power(2.5), lambda u: u**2.5),
        (lm.bounded(3.0, 0.5), lambda u: 3 * u**3 / (0.5**3 + u**3)),
        (lambda u: 1 + jnp.sin(u), lambda u: 1 + np.sin(u)),
    ],
    ids=["linear", "quadratic", "sqrt", "cbrt", "bounded", "power", "wide", "own"],
)
@pytest.mark.parametrize(("eps", "c"), [(1.0, None), (0.1, 1.0)])
def test_c_and_scale_by_hand(f, f_by_hand, eps, c):
    threshold = lm.running_min() if c is None else lm.constant(c)
    _, _, got = run(lm.landscape_modify(f, eps, threshold=threshold), LOSSES)
    np.testing.assert_allclose(got, by_hand(LOSSES, f_by_hand, eps, c), rtol=2e-6)


def test_every_gradient_is_multiplied_by_the_scale():
    updates, _, (_, scale) = run(lm.landscape_modify(), LOSSES[:2])
    assert scale[-1] == 0.5  # 1 / ((3 - 2) + 1)
    chex.assert_trees_all_close(updates, {"w": np.full((3, 2), 0.5), "b": np.zeros(2)})


@pytest.mark.parametrize(("bad", "place"), [(np.nan, 0), (np.inf, 1), (-np.inf, 3)])
@pytest.mark.parametrize(
    "threshold",
    [lm.running_min, lambda: lm.smoothed_min(0.5), lambda: lm.windowed_min(2)],
)
def test_a_bad_value_leaves_c_alone_and_stops_the_step(bad, place, threshold):
    """Whatever follows it is as if it had not been."""
    losses = [2.0, 1.0, 3.0]
    tx = lm.landscape_modify(threshold=threshold())
    _, clean_state, clean = run(tx, losses)
    _, state, got = run(tx, [*losses[:place], bad, *losses[place:]])
    assert got[1, place] == 0
    if place:
        assert got[0, place] == clean[0, place - 1]
    np.testing.assert_array_equal(np.delete(got, place, axis=1), clean)
    chex.assert_trees_all_equal(state.threshold, clean_state.threshold)
    assert int(state.count) == 4


def test_a_nan_gradient_stays_visible():
    tx = lm.landscape_modify()
    for value in (1.0, np.nan):
        updates, _ = tx.update(jnp.array([jnp.nan, 1.0]), tx.init(PARAMS), value=value)
        assert np.isnan(updates[0])
    assert updates[1] == 0


@pytest.mark.parametrize("f", list(lm.SHAPES))
def test_huge_losses_give_finite_scales(f):
    losses = [3e38, -3e38, 3e38]
    _, _, (c, scale) = run(lm.landscape_modify(f), losses)
    np.testing.assert_allclose(c, np.minimum.accumulate(losses), rtol=1e-6)
    assert np.isfinite(scale).all()
    assert scale[0] == scale[1] == 1


def test_updates_keep_dtype_and_shape_and_other_leaves_pass():
    grads = {
        "half": jnp.full(3, 2, jnp.bfloat16),
        "single": jnp.full((2, 2), 2.0),
        "complex": jnp.full(2, 2 + 4j, jnp.complex64),
        "integer": jnp.full(2, 7, jnp.int32),
        "float0": np.zeros(2, jax.dtypes.float0),
        "none": None,
        "masked": optax.MaskedNode(),
    }
    tx = lm.landscape_modify(threshold=lm.constant(0.0))
    updates, _ = tx.update(grads, tx.init(grads), value=1.0)
    assert jax.tree.structure(updates) == jax.tree.structure(grads)
    for name in ("half", "single", "complex", "integer"):
        assert updates[name].dtype == grads[name].dtype
    np.testing.assert_array_equal(updates["half"], np.ones(3))
    np.testing.assert_array_equal(updates["complex"], np.full(2, 1 + 2j))
    np.testing.assert_array_equal(updates["integer"], grads["integer"])
    assert updates["float0"] is grads["float0"]


def test_bfloat16_is_scaled_in_float32():
    """1/3 in bfloat16 is 0.333984, and five times that rounds to another number."""
    tx = lm.landscape_modify(threshold=lm.constant(0.0))
    updates, _ = tx.update(jnp.full(1, 5, jnp.bfloat16), tx.init(0), value=2.0)
    assert updates[0] == jnp.bfloat16(5 / 3) != 5 * jnp.bfloat16(1 / 3)


def test_complex_infinities_stay_in_their_part():
    tx = lm.landscape_modify()
    updates, _ = tx.update(
        jnp.array([complex(np.inf, 1)], jnp.complex64), tx.init(0), value=1.0
    )
    assert updates[0].real == np.inf
    assert updates[0].imag == 1


def test_c_is_float32_for_half_precision_and_float64_where_that_is_enabled():
    grads = jnp.ones(2, jnp.bfloat16)
    tx = lm.landscape_modify()
    state = tx.init(grads)
    _, state = tx.update(grads, state, value=jnp.bfloat16(0.1))
    assert state.c.dtype == state.scale.dtype == jnp.float32
    with jax.enable_x64(True):
        value = jnp.float64(0.1)
        _, state = tx.update(grads, tx.init(grads), value=value)
        assert state.c.dtype == jnp.float64
        assert state.c == value


@pytest.mark.promotes
def test_eps_may_be_a_schedule_of_the_step():
    tx = lm.landscape_modify(eps=optax.piecewise_constant_schedule(1.0, {2: 0.25}))
    _, _, (_, scale) = run(tx, [3.0, 2.0, 1.0])
    np.testing.assert_allclose(scale, [1, 1, 4])


def test_an_axis_that_is_not_mapped_is_named():
    tx = lm.landscape_modify(axis_name=("i", "batch"))
    with pytest.raises(ValueError, match=r"axis_name is .*batch.*names no mapped"):
        jax.vmap(lambda v: tx.update(v, tx.init(v), value=v), axis_name="i")(
            jnp.ones(2)
        )


@pytest.mark.parametrize(
    "schedule", [lambda step: "1", lambda step: step.no_such, lambda: 1.0]
)
def test_a_schedule_of_eps_that_fails_is_named(schedule):
    tx = lm.landscape_modify(eps=schedule)
    with pytest.raises(ValueError, match="eps is a schedule, which must return a real"):
        tx.update(PARAMS, tx.init(PARAMS), value=1.0)


@pytest.mark.parametrize(
    ("start", "update"),
    [
        (jnp.zeros(3), lambda s, v: v),
        (jnp.zeros(3), lambda s, v: (v[None], s)),
        (jnp.zeros(3), lambda s, v: (1.0, s)),
        (jnp.zeros(3), lambda s, v: (v.astype(jnp.float16), s)),
        (jnp.zeros(3), lambda s, v: (v, s[:2])),
        (jnp.zeros(3), lambda s: (s, s)),
        (0, lambda s, v: (v, v)),
        ((), lambda s, v: (v, s.c)),
    ],
)
def test_a_threshold_that_breaks_its_contract_is_named(start, update):
    tx = lm.landscape_modify(threshold=lm.Threshold(lambda dtype: start, update))
    with pytest.raises(ValueError, match=r"threshold.update must return .*Error"):
        tx.update(PARAMS, tx.init(PARAMS), PARAMS, value=1.0)


def test_current_finds_one_and_says_where_several_are():
    one = optax.chain(optax.clip(1.0), lm.landscape_modify(), optax.adam(0.1))
    assert lm.current(one.init(PARAMS)).scale == 0
    with pytest.raises(ValueError, match="no LandscapeModifyState"):
        lm.current(optax.adam(0.1).init(PARAMS))
    two = optax.chain(lm.landscape_modify(), lm.landscape_modify())
    with pytest.raises(ValueError, match=r"2 LandscapeModifyStates.*\[0\], \[1\]"):
        lm.current(two.init(PARAMS))
