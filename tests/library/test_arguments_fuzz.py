"""Every public name's arguments, generated: a call works, or a ValueError explains it.

What is allowed is stated here anew, in NumPy's words, and not taken from the checks.
"""

import functools
import math
import numbers

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

pytestmark = pytest.mark.promotes

W = jnp.ones(2)


def plain(value):
    """The number that value is, or None."""
    if isinstance(value, (jax.Array, np.ndarray)):
        if value.shape != () or value.dtype.name not in (
            *("float16", "bfloat16", "float32", "float64"),
            *("int8", "int32", "int64", "uint8"),
        ):
            return None
        value = value.item()
    elif isinstance(value, np.generic) and not isinstance(value, np.number):
        return None
    if isinstance(value, (bool, complex, np.complexfloating)):
        return None
    if not isinstance(value, numbers.Real):
        return None
    if isinstance(value, int) and abs(value) > 1e308:
        return math.nan
    return float(value)


def real(low=-math.inf, high=math.inf, open_low=False, infinite=False):
    def allowed(value):
        x = plain(value)
        if x is None or math.isnan(x) or (math.isinf(x) and not infinite):
            return False
        if math.inf > abs(x) > 3.5e38:  # JAX's floats are float32 here
            return False
        return (low < x if open_low and low > -math.inf else low <= x) and (
            x < high or high == math.inf
        )

    return allowed


def integer(least):
    def allowed(value):
        return (
            plain(value) is not None
            and not isinstance(value, (float, np.floating))
            and "float" not in str(getattr(value, "dtype", ""))
            and least <= plain(value) < 2**31
        )

    return allowed


positive = real(0, open_low=True)
at_least_0 = real(0)
fraction = real(0, 1)
any_real = real(infinite=True)
flag = lambda value: isinstance(value, (bool, np.bool_))
none = lambda value: value is None


def either(*kinds):
    return lambda value: any(kind(value) for kind in kinds)


def one_of(*choices):
    return lambda value: any(value is choice for choice in choices)


def negative(u):
    return -u


def of_two(u, v):
    return u + v


def vector(u):
    return jnp.stack([u, u])


def untraceable(u):
    return u if u > 0 else 0.0


def halves(step):
    return 0.5 / (step + 1)


def zero(u):
    return 0


F = lambda u: u
SHAPE = lm.Shape("off", lambda u: 0.0)
THRESHOLD = lm.Threshold(
    lambda dtype: jnp.zeros((), dtype), lambda state, value: (state, value)
)
LM, SGD = lm.landscape_modify(), optax.sgd(0.1)
HUGE = 10**400
VALUES = [
    *(None, True, np.True_, "1", "", "linear", "lineer", b"1", 1j, object(), object),
    *(0, 1, 2, 3, -1, 0.0, 0.25, 0.9, 1.0, 2.5, -0.5, 1e-50, 1e300, HUGE),
    *(math.nan, math.inf, -math.inf, np.float32(0.5), np.float64(2), np.int64(2)),
    *(np.int8(-3), np.array(0.5), np.array(3), np.ones(2), np.ones((1, 1))),
    *(jnp.float32(0.5), jnp.int32(2), jnp.bfloat16(0.5), jnp.ones(2), jnp.zeros(0)),
    *(np.array("a"), np.zeros((), jax.dtypes.float0), jax.random.key(0)),
    *([], [0.5], [0.5, 0.9], (0.5, 0.9), (0.5, 1.5), (1,), {}, {"a": 1}, {1}),
    *(jax.ShapeDtypeStruct((), jnp.float32), range(3), math, iter([1])),
    *(F, zero, halves, negative, of_two, vector, untraceable, len, str),
    *(lm.landscape_modify, lm.running_min, lm.power, lm.torch_optim.sgd, lm.Threshold),
    *(SHAPE, lm.bounded(), lm.running_min(), THRESHOLD, LM, SGD),
    *(lm.Threshold(zero, of_two), lm.Threshold(THRESHOLD.init, of_two)),
    *(LM.init(W), SGD.init(W), lm.accumulate(LM, 2).init(W), np.random.default_rng(0)),
]

shapes = either(
    one_of(F, zero, halves, SHAPE, lm.SHAPES["bounded"]),
    lambda v: isinstance(v, lm.Shape) or (isinstance(v, str) and v == "linear"),
)
thresholds = either(
    none,
    lambda v: isinstance(v, lm.Threshold) and v.update is not of_two,
)
# A schedule may return what is below the range, which is held.
schedule = either(
    one_of(F, zero, halves, negative, untraceable), lambda v: isinstance(v, lm.Shape)
)
transformations = either(
    one_of(LM, SGD), lambda v: isinstance(v, optax.GradientTransformation)
)
landscapes = either(none, transformations)
axes = either(none, lambda v: isinstance(v, str))
moments = either(none, at_least_0)


def real_array(value, u_shape=None, check=lambda array: True):
    if isinstance(value, (bool, np.bool_, range)) or value is None:
        return isinstance(value, range) and u_shape is None
    try:
        array = np.asarray(value)
    except Exception:
        return False
    if array.dtype.kind not in "iuf" and array.dtype.name != "bfloat16":
        return False
    array = array.astype(float)
    fits = u_shape is None or array.shape in ((), (1,), (2,))
    return fits and bool(check(array))


def stepped(make):
    """One step of what the call makes, so that what it accepts has to work."""

    def call(**kwargs):
        tx = make(**kwargs)
        state = tx.init(W)
        updates, state = tx.update(W, state, W, value=2.0)
        assert updates.dtype == W.dtype
        assert not jnp.isnan(updates).any()

    return call


def used(make, take):
    return lambda **kwargs: take(make(**kwargs))


in_lm = lambda threshold: stepped(lm.landscape_modify)(threshold=threshold)
as_f = lambda f: stepped(lm.landscape_modify)(f=f)
FUNCTIONS = {
    "landscape_modify": (
        stepped(lm.landscape_modify),
        {"f": shapes, "eps": either(positive, schedule), "threshold": thresholds},
    ),
    "axis_name": (lm.landscape_modify, {"axis_name": axes}),
    "update": (
        lambda value: LM.update(W, LM.init(W), value=value),
        {"value": lambda v: plain(v) is not None and v is not HUGE},
    ),
    "state": (
        lambda state: LM.update(W, state, value=1.0),
        {"state": lambda v: isinstance(v, lm.LandscapeModifyState)},
    ),
    "current": (
        lm.current,
        {
            "opt_state": lambda v: isinstance(
                v, (lm.LandscapeModifyState, lm.AccumulateState)
            )
        },
    ),
    "accumulate": (
        lambda tx=SGD, every=1: stepped(lm.accumulate)(tx=tx, every=every),
        {"tx": transformations, "every": integer(1)},
    ),
    "power": (used(lm.power, as_f), {"p": positive}),
    "bounded": (used(lm.bounded, as_f), {"bound": positive, "width": real(1.2e-38)}),
    "Shape": (
        lambda name="x", f=F, integral=None: as_f(lm.Shape(name, f, integral)),
        {
            "name": lambda v: isinstance(v, str),
            "f": lambda v: callable(v) and shapes(v),
            "integral": either(none, one_of(of_two)),
        },
    ),
    "constant": (used(lm.constant, in_lm), {"c": any_real}),
    "smoothed_min": (used(lm.smoothed_min, in_lm), {"decay": fraction}),
    "windowed_min": (used(lm.windowed_min, in_lm), {"n": integer(1)}),
    "population": (
        lm.population,
        {
            "reduce": lambda v: isinstance(v, str) and v in ("min", "mean"),
            "axis_name": lambda v: isinstance(v, str),
        },
    ),
    "landscape": (
        lambda u=(1.0, 2.0), c=0.5, **kwargs: lm.landscape(u, c, **kwargs),
        {
            "u": lambda v: real_array(v, check=lambda a: a.size > 0),
            "c": lambda v: real_array(v, (2,)),
            "eps": lambda v: real_array(
                v, (2,), lambda a: ((a > 0) & np.isfinite(a)).all()
            ),
            "f": shapes,
            "u_min": either(none, lambda v: real_array(v, (2,))),
            "logarithm": flag,
        },
    ),
    "critical_height": (
        lambda u=(0.0, 2.0, 1.0), c=1.0: lm.critical_height(u, c),
        {
            "u": lambda v: real_array(
                v, check=lambda a: a.ndim and a.size and np.isfinite(a).all()
            ),
            "c": any_real,
        },
    ),
    "sgd": (
        stepped(functools.partial(lm.torch_optim.sgd)),
        {
            "lr": either(at_least_0, schedule),
            "momentum": moments,
            "weight_decay": at_least_0,
            "landscape": landscapes,
        },
    ),
    "nesterov": (
        lambda nesterov: stepped(lm.torch_optim.sgd)(momentum=0.9, nesterov=nesterov),
        {"nesterov": flag},
    ),
    "adam": (
        stepped(lm.torch_optim.adam),
        {
            "lr": either(at_least_0, schedule),
            "betas": lambda v: (
                isinstance(v, (list, tuple, np.ndarray, jax.Array))
                and getattr(v, "shape", (2,)) == (2,)
                and len(v) == 2
                and all(map(fraction, v))
            ),
            "eps": at_least_0,
            "weight_decay": at_least_0,
            "landscape": landscapes,
        },
    ),
    "adagrad": (
        stepped(lm.torch_optim.adagrad),
        {
            "lr": either(at_least_0, schedule),
            "weight_decay": at_least_0,
            "initial_accumulator_value": at_least_0,
            "eps": at_least_0,
            "landscape": landscapes,
        },
    ),
    "rmsprop": (
        stepped(lm.torch_optim.rmsprop),
        {
            "lr": either(at_least_0, schedule),
            "alpha": fraction,
            "eps": at_least_0,
            "weight_decay": at_least_0,
            "momentum": moments,
            "landscape": landscapes,
        },
    ),
}
CALLS = [
    (name, argument, value)
    for name, (_, arguments) in FUNCTIONS.items()
    for argument in arguments
    for value in VALUES
]


def complaint(name, argument, value):
    """What is wrong with the call's outcome, or nothing."""
    call, arguments = FUNCTIONS[name]
    allowed = arguments[argument](value)
    try:
        call(**{argument: value})
    except ValueError as error:
        message = str(error)
        if allowed:
            return f"refused: {message}"
        if argument not in message and argument not in ("opt_state", "threshold"):
            return f"does not name it: {message}"
        if argument == "opt_state" and "optimizer state" not in message:
            return f"does not name it: {message}"
        if not ("must" in message or "needs" in message or argument == "opt_state"):
            return f"does not say what it must be: {message}"
        if len(message) > 600 or "Traceback" in message:
            return f"is not readable: {message}"
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return None if allowed else "accepted"


def test_there_are_enough_calls():
    assert len(CALLS) > 2000


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_call_works_or_says_what_is_wrong(name):
    complaints = {
        (argument, repr(value)[:60]): said
        for function, argument, value in CALLS
        if function == name and (said := complaint(function, argument, value))
    }
    assert not complaints
