"""Arguments of the public names of annealing: right, or named in a ValueError."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm
from landmod_jax import annealing
from landmod_jax.annealing import spins

KEY, X0 = jax.random.key(0), jnp.ones((3, 2))
J = jnp.ones((3, 3)) - jnp.eye(3)
NAN, INF = float("nan"), float("inf")


def U(x):
    return (x**2).sum()


ANNEAL = {"energy": U, "x0": X0, "key": KEY, "step_size": 0.01, "temperature": 1.0}
ANNEAL |= {"steps": 2, "records": 0}
STATE = annealing.anneal(**ANNEAL).state
PLAIN = annealing.anneal(**ANNEAL, method="langevin").state
METROPOLIS = {"energy": U, "propose": lambda key, x: x, "x0": X0, "key": KEY}
METROPOLIS |= {"steps": 2, "temperature": 1.0, "f": "linear", "records": 0}
WEIGHTS = {"statistic": jnp.ones((2, 3)), "value": jnp.ones((2, 3)), "c": 0.0}
WEIGHTS |= {"temperature": 1.0, "f": "linear"}


def step(**changes):
    kernel = annealing.diffusion_kernel(U, 0.01)
    good = {"key": KEY, "state": kernel.init(X0), "temperature": 1.0}
    return kernel.step(**good | changes)


def sample(**arguments):
    return spins.ising(J).sample(**arguments)


def flips(**arguments):
    return spins.ising(J).flips(**arguments)


# What no number, count or key is; numbers are checked alike everywhere.
NO_NUMBERS = ["0.1", None, [0.1], True, 1j, NAN, INF, jnp.ones(2)]
NO_COUNTS = [0, "2", None, 2.0, True, 2**40]
NO_KEYS = ["key", None, True, jnp.ones(3), jax.random.split(KEY)]
NO_SCHEDULES = [
    lambda: 1.0, lambda t: -1.0, lambda t: "hot", lambda t: jnp.ones(2), lambda t: NAN,
    lambda t: INF,
]  # fmt: skip
NO_ENERGIES = [
    None, "U", lambda: 1.0, lambda x: x, lambda x: (x.sum(), 1), lambda x: x.no(),
    lambda x: 1j * x.sum(), lambda x: 3, lambda x: float(x[0]),
]  # fmt: skip
NO_COUPLINGS = [None, "J", 1.0, jnp.ones((2, 3)), jnp.ones((3, 3)), J > 0, NAN * J]
# Of each function: good arguments, and values that are bad in place of one of them.
BAD = {
    annealing.anneal: (
        ANNEAL,
        {
            "energy": NO_ENERGIES,
            "x0": [
                None, "x", jnp.ones(3), jnp.ones((0, 2)), 1j * X0, X0 > 0, PLAIN,
                [[1.0], [1.0, 2.0]], STATE._replace(c=None), STATE._replace(y=X0[:1]),
                STATE._replace(step=1.5), STATE._replace(step=jnp.int32(2**31 - 2)),
            ],
            "key": [*NO_KEYS, 0],
            "method": ["langvin", None],
            "steps": NO_COUNTS,
            "records": [-1, None],
            "step_size": [*NO_NUMBERS, 0],
            "temperature": [*NO_NUMBERS, 0, *NO_SCHEDULES],
            "f": ["linaer", 3, lambda u: u - 1],
            "eps": [0, "1"],
            "threshold": [0.5, lm.running_min],
            "bounds": [
                1.0, (1.0,), (2.0, 1.0), ("a", "b"), (-9.0, 0.0), (jnp.zeros(3), 1.0),
                (-1.0, NAN), [-5.0, 5.0],
            ],
            "at_bounds": ["wrap", None],
            "target": ["0", NAN],
            "time_limit": [0, "1"],
        },
    ),
    annealing.metropolis: (
        METROPOLIS,
        {
            "energy": NO_ENERGIES[:3],
            "propose": [None, lambda x: x, lambda key, x: x[0], lambda key, x: x.no()],
            "x0": [None, "x", 1.0, jnp.ones((0, 2)), {}, (X0, X0[:2]), STATE],
            "temperature": [-1, None, NO_SCHEDULES[0]],
            "f": ["linaer"],
            "threshold": [0.5],
            "logarithm": [1, None],
        },
    ),
    step: (
        {},
        {
            "key": [None],
            "state": [None, X0, tuple(STATE), PLAIN, STATE._replace(c=None)],
            "temperature": ["1", None, True, 1j, jnp.ones(2), X0],
            "steps": [0],
        },
    ),
    annealing.expectation: (
        WEIGHTS,
        {
            "statistic": [None, 1.0, jnp.ones((3, 2))],
            "value": [None, jnp.ones(3), X0[:0]],
            "confidence": [None, 0, 1, 95],
            "temperature": [0],
            "c": ["low", jnp.ones(7)],
            "logarithm": [1],
            "target": [0],
        },
    ),
    spins.ising: (
        {"couplings": J},
        {"couplings": NO_COUPLINGS, "fields": ["h", None, jnp.ones(2), 1j, INF]},
    ),
    spins.potts: ({"couplings": J, "q": 3}, {"q": [1, 128, 2.0], "fields": ["h"]}),
    spins.max_cut: ({"weights": J}, {"weights": NO_COUPLINGS[:2]}),
    spins.curie_weiss: ({"n": 3}, {"n": [1, 2.5], "coupling": [INF], "field": ["h"]}),
    spins.edges: (
        {"n": 3, "pairs": [(0, 1)], "weights": 1.0},
        {
            "n": [0],
            "pairs": [
                None, 1, [0, 1], [(0, 0)], [(0, 3)], [(0, 1), (1, 0)], [(0.5, 1)],
            ],
            "weights": ["w", jnp.ones(2), NAN],
        },
    ),
    sample: ({"key": KEY, "chains": 2}, {"key": [None, 0], "chains": [0]}),
    flips: ({}, {"order": ["checkerboard"], "acceptance": ["gibbs"]}),
    lm.population: (
        {},
        {"reduce": ["max"], "axis_name": [None, ("a", 3)], "rule": [lm.population()]},
    ),
    annealing.langevin_noise: (
        {"learning_rate": 0.1, "temperature": 0.1, "key": 0},
        {"learning_rate": [0], "temperature": [-1], "key": [*NO_KEYS, -1]},
    ),
    annealing.logarithmic: ({"height": 1.0}, {"height": [0], "t0": [1]}),
    annealing.geometric: (
        {"initial": 1.0, "final": 0.1, "steps": 5},
        {"initial": [0, "1"], "final": [0], "steps": [0]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("function", BAD, ids=lambda function: function.__name__)
def test_wrong_arguments_are_named(function):
    good, bad = BAD[function]
    wrong = []
    for name, value in [(n, value) for n, values in bad.items() for value in values]:
        shown = f"{name}={value!r:.60}"
        try:
            function(**good | {name: value})
        except ValueError as error:
            if name not in str(error):
                wrong.append(f"{shown}: not named: {error!s:.120}")
        except Exception as error:
            wrong.append(f"{shown}: {type(error).__name__}: {error!s:.120}")
        else:
            wrong.append(f"{shown}: accepted")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("function", "change", "message"),
    [
        (annealing.anneal, {"method": "improvd"}, "did you mean 'improved'"),
        (
            annealing.anneal,
            {"temperature": lambda t: 0.5 - jnp.float32(t)},
            r"ture\(1\)",
        ),
        (annealing.anneal, {"method": "improved", "eps": 1.0}, "does not take eps"),
        (annealing.anneal, {"method": "langevin", "f": "linear"}, "does not take f"),
        (annealing.anneal, {"x0": PLAIN}, "the state of a run with the same energy"),
        (
            annealing.metropolis,
            {"f": None, "threshold": lm.running_min()},
            "takes threshold only with f",
        ),
        (step, {"state": X0}, "state must be of type AnnealState, as init returns"),
    ],
)
def test_messages_say_what_is_wrong(function, change, message):
    good, _ = BAD[function]
    with pytest.raises(ValueError, match=message):
        function(**good | change)


anneal = functools.partial(annealing.anneal, **ANNEAL | {"method": "improved_kinetic"})


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), jnp.float32(1)])
def test_numbers_of_any_kind_are_taken(value):
    annealing.langevin_noise(value, value, np.int32(0))
    annealing.geometric(value, value, value)(3)
    annealing.logarithmic(value)(3)
    anneal(step_size=value, temperature=value, eps=value, steps=np.int64(2))


@pytest.mark.parametrize("key", [jax.random.PRNGKey(1), jax.random.key(1, impl="rbg")])
def test_keys_of_any_kind_are_taken(key):
    assert np.isfinite(anneal(key=key).best_x).all()
    tx = annealing.langevin_noise(0.1, 0.1, key)
    assert np.isfinite(tx.update(X0, tx.init(X0))[0]).all()


def test_lists_are_points_and_whole_numbers_are_coordinates():
    assert anneal(x0=[[1, 2], [3, 4]]).best_x.dtype == jnp.float32
