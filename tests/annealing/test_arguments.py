"""Arguments of all public names of annealing: right, or named in a ValueError."""

import functools
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm
from experiments.annealing import objectives
from landmod_jax import annealing
from landmod_jax.annealing import spins

KEY = jax.random.key(0)
U = objectives.rastrigin(2)
X0 = jnp.ones((3, 2))
RESULTS = {name for name in annealing.__all__ if re.search("State$|Result$|Traj", name)}
LEFT_OUT = RESULTS | {"METHODS", "MethodName", "Expectation", "Kernel", "Moves"}

NOT_NUMBERS = [
    "0.1", None, [0.1], (1.0, 2.0), {}, True, 1j, float("nan"), float("inf"),
    jnp.ones(2), jnp.array(True), np.array("x"), object(), lm, b"1",
]  # fmt: skip
NOT_AT_LEAST_0 = [*NOT_NUMBERS, -1, -0.5, np.float32(-1)]
NOT_ABOVE_0 = [*NOT_AT_LEAST_0, 0, 0.0, jnp.float32(0)]
BAD_SCHEDULES = [
    lambda: 1.0, lambda a, b: 1.0, annealing.geometric, lambda t: -1.0, lambda t: "hot",
    lambda t: jnp.ones(2), lambda t: None, lambda t: jnp.nan, lambda t: float("inf"),
]  # fmt: skip
NOT_COUNTS = [
    0, "2", None, [2], 2.0, -1, True, np.float64(2), jnp.ones(2, int), 2**40, 1j,
]  # fmt: skip
NOT_KEYS = ["key", None, [0, 1], 0.5, True, jnp.ones(3), jax.random.split(KEY), lm]
NOT_ENERGIES = [
    None, 3, "U", [U], X0, lambda: 1.0, lambda x, y: 1.0, lambda x: x,
    lambda x: (x.sum(), 1), lambda x: "high", lambda x: None, lambda x: x.no_such(),
    lambda x: 1j * x.sum(), lambda x: 3, lambda x: float(x[0]),
    objectives.ackley,  # a factory, not called
]  # fmt: skip
NOT_SHAPES = ["linaer", 3, lambda: 1, lambda u: u - 1, lambda u: "f", lambda u: (u, u)]
NOT_THRESHOLDS = [0.5, "min", lm.running_min, U]
NOT_FLAGS = [1, "yes", None, 0.0]
NOT_BOUNDS = [
    1.0, (1.0,), (2.0, 1.0), (1.0, 1.0), ("a", "b"), (None, 1.0), (-9.0, 0.0),
    (jnp.zeros(3), 1.0), (-1.0, float("nan")), (-2.0, 2.0, 3.0), {}, [-5.0, 5.0],
    [(-5.0, 5.0), (-5.0, 5.0)], ((-5.0, 5.0), (-5.0, 5.0)), X0,
]  # fmt: skip
J = jnp.ones((3, 3)) - jnp.eye(3)
NOT_COUPLINGS = [
    None, "J", 1.0, jnp.ones(3), jnp.ones((2, 3)), jnp.ones((3, 3)), 1j * J, J > 0,
    jnp.full((3, 3), jnp.nan), object(),
]  # fmt: skip
NOT_FIELDS = ["h", None, jnp.ones(2), 1j, jnp.nan, jnp.inf, object()]


def optional(values):
    return [value for value in values if value is not None]


def through_diffusion_kernel(x0=X0, key=KEY, temperature=1.0, steps=2, **options):
    kernel = annealing.diffusion_kernel(**options)
    return kernel.step(key, kernel.init(x0), temperature, steps=steps)


def through_metropolis_kernel(x0=X0, key=KEY, temperature=1.0, steps=2, **options):
    kernel = annealing.metropolis_kernel(**options)
    return kernel.step(key, kernel.init(x0), temperature, steps=steps)


def step(**changes):
    kernel = annealing.diffusion_kernel(U, 0.01)
    good = {"key": KEY, "state": kernel.init(X0), "temperature": 1.0}
    return kernel.step(**good | changes)


def sample(**arguments):
    return spins.ising(J).sample(**arguments)


def flips(**arguments):
    return spins.ising(J).flips(**arguments)


ANNEAL = {"energy": U, "x0": X0, "key": KEY, "step_size": 0.01, "temperature": 1.0}
ANNEAL |= {"steps": 2, "records": 0}
STATE = annealing.anneal(**ANNEAL).state
PLAIN = annealing.anneal(**ANNEAL, method="langevin").state
METROPOLIS = {"energy": U, "propose": lambda key, x: x, "x0": X0, "key": KEY}
METROPOLIS |= {"steps": 2, "temperature": 1.0, "f": "linear", "records": 0}
WALK = {"energy": U, "propose": METROPOLIS["propose"], "f": "linear"}
WEIGHTS = {"value": jnp.ones((2, 3)), "temperature": 1.0, "f": "linear", "c": 0.0}
EDGES = {"n": 3, "pairs": [(0, 1)], "weights": 1.0}


OF_DIFFUSIONS = {
    "energy": NOT_ENERGIES,
    "x0": [
        None, "x", 1.0, jnp.ones(3), jnp.ones((2, 2, 2)), jnp.ones((0, 2)),
        jnp.ones((3, 0)), 1j * X0, X0 > 0, {}, object(), [[1.0], [1.0, 2.0]],
    ],
    "key": [*NOT_KEYS, 0],
    "method": ["langvin", None, 3, ["kinetic"], True],
    "steps": NOT_COUNTS,
    "step_size": NOT_ABOVE_0,
    "f": NOT_SHAPES,
    "eps": optional(NOT_ABOVE_0),
    "threshold": NOT_THRESHOLDS,
    "bounds": NOT_BOUNDS,
    "at_bounds": ["wrap", None, 3, True],
}  # fmt: skip
OF_CHAINS = {
    "energy": NOT_ENERGIES,
    "propose": [
        None, 3, "U", lambda x: x, lambda key, x: x[0], lambda key, x: x.no(),
    ],
    "x0": [
        None, "x", 1.0, jnp.ones((0, 2)), {}, object(), [[1.0], [1.0, 2.0]],
        [X0, 1], (X0, X0[:2]), np.full((3, 2), 3_000_000_000),
    ],
    "key": [*NOT_KEYS, 0],
    "steps": NOT_COUNTS,
    "f": NOT_SHAPES,
    "threshold": NOT_THRESHOLDS,
    "logarithm": NOT_FLAGS,
}  # fmt: skip
OF_WEIGHTS = {
    "temperature": NOT_ABOVE_0,
    "f": NOT_SHAPES,
    "c": [None, "low", 1j, jnp.ones(7), object()],
    "logarithm": NOT_FLAGS,
    "target": optional(NOT_ABOVE_0),
}
NOT_LIMITS = {
    "target": optional(NOT_NUMBERS),
    "time_limit": optional(NOT_ABOVE_0),
}
# Of each function: good arguments, and values that are bad in place of one of them.
BAD = {
    annealing.anneal: (
        ANNEAL,
        OF_DIFFUSIONS
        | {
            "x0": [
                *OF_DIFFUSIONS["x0"], PLAIN, STATE._replace(c=None),
                STATE._replace(y=X0[:1]), STATE._replace(step=1.5),
                STATE._replace(threshold=()), tuple(STATE),
                STATE._replace(step=jnp.int32(2**31 - 2)),
            ],
            "temperature": [*NOT_ABOVE_0, *BAD_SCHEDULES],
            "records": NOT_COUNTS[1:],
            **NOT_LIMITS,
        },
    ),
    annealing.diffusion_kernel: ({"energy": U, "step_size": 0.01}, OF_DIFFUSIONS),
    annealing.metropolis: (
        METROPOLIS,
        OF_CHAINS
        | {
            "x0": [*OF_CHAINS["x0"], STATE],
            "temperature": [*NOT_AT_LEAST_0, *BAD_SCHEDULES],
            "records": NOT_COUNTS[1:],
            **NOT_LIMITS,
        },
    ),
    annealing.metropolis_kernel: (WALK, OF_CHAINS),
    step: (
        {},
        {
            "key": [*NOT_KEYS, 0],
            "state": [
                None, 3, X0, tuple(STATE), PLAIN, STATE._replace(c=None),
                STATE._replace(threshold=()),
            ],
            "temperature": ["1", None, {}, True, 1j, jnp.ones(2), X0, object(), lm],
            "steps": NOT_COUNTS,
        },
    ),
    annealing.log_weights: (
        WEIGHTS,
        {"value": [None, "U", 1j, object()]} | OF_WEIGHTS,
    ),
    annealing.expectation: (
        WEIGHTS | {"statistic": jnp.ones((2, 3))},
        {
            "statistic": [None, "g", 1.0, jnp.ones(3), jnp.ones((3, 2)), object()],
            "value": [None, "U", 1.0, jnp.ones(3), jnp.ones((2, 3, 1)), X0[:0]],
            "confidence": [*NOT_NUMBERS, 0, 1, -0.5, 95],
        }
        | OF_WEIGHTS,
    ),
    spins.ising: ({"couplings": J}, {"couplings": NOT_COUPLINGS, "fields": NOT_FIELDS}),
    spins.potts: (
        {"couplings": J, "q": 3},
        {
            "couplings": NOT_COUPLINGS,
            "q": [*NOT_COUNTS, 1, 128],
            "fields": NOT_FIELDS,
        },
    ),
    spins.max_cut: ({"weights": J}, {"weights": NOT_COUPLINGS}),
    spins.curie_weiss: (
        {"n": 3},
        {"n": [*NOT_COUNTS, 1], "coupling": NOT_NUMBERS, "field": NOT_NUMBERS},
    ),
    spins.edges: (
        EDGES,
        {
            "n": NOT_COUNTS,
            "pairs": [
                None, "p", 1, [0, 1], [(0, 0)], [(0, 3)], [(0, 1), (1, 0)], [(0.5, 1)],
            ],
            "weights": ["w", None, jnp.ones(2), 1j, jnp.nan, object()],
        },
    ),
    sample: ({"key": KEY, "chains": 2}, {"key": [*NOT_KEYS, 0], "chains": NOT_COUNTS}),
    flips: (
        {},
        {"order": ["checkerboard", None, 3], "acceptance": ["gibbs", None, True]},
    ),
    lm.population: (
        {},
        {
            "reduce": ["max", None, 3],
            "axis_name": [None, 3, ("a", 3), ()],
            "rule": [lm.running_min, 3, lm.population()],
        },
    ),
    annealing.langevin_noise: (
        {"learning_rate": 0.1, "temperature": 0.1, "key": 0},
        {
            "learning_rate": NOT_ABOVE_0,
            "temperature": NOT_AT_LEAST_0,
            "key": [*NOT_KEYS, -1],
        },
    ),
    annealing.kinetic_langevin: (
        {"step_size": 0.1, "temperature": 0.1, "key": 0},
        {
            "step_size": NOT_ABOVE_0,
            "temperature": NOT_ABOVE_0,
            "key": [*NOT_KEYS, -1],
        },
    ),
    annealing.logarithmic: (
        {"height": 1.0},
        {
            "height": NOT_ABOVE_0,
            "t0": [*NOT_ABOVE_0, 1, 0.5],
            "step_size": NOT_ABOVE_0,
        },
    ),
    annealing.geometric: (
        {"initial": 1.0, "final": 0.1, "steps": 5},
        dict.fromkeys(("initial", "final", "steps"), NOT_ABOVE_0),
    ),
}  # fmt: skip
CALLED = {
    annealing.diffusion_kernel: through_diffusion_kernel,
    annealing.metropolis_kernel: through_metropolis_kernel,
}


def test_every_public_name_is_among_them():
    tried = {function.__name__ for function in BAD}
    public = {n for n in annealing.__all__ if not inspect.ismodule(vars(annealing)[n])}
    assert public - LEFT_OUT <= tried


@pytest.mark.parametrize("function", BAD, ids=lambda function: function.__name__)
def test_wrong_arguments_are_named(function):
    good, bad = BAD[function]
    wrong = []
    for name, value in [(n, value) for n, values in bad.items() for value in values]:
        shown = f"{name}={value!r:.60}"
        try:
            CALLED.get(function, function)(**good | {name: value})
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
            {"temperature": -1.0},
            "temperature must be .* greater than",
        ),
        (
            annealing.anneal,
            {"temperature": lambda t: 0.5 - jnp.float32(t)},
            r"ture\(1\)",
        ),
        (
            annealing.anneal,
            {"method": "improved", "eps": 1.0},
            "'improved' does not ta",
        ),
        (annealing.anneal, {"method": "langevin", "f": "linear"}, "does not take f"),
        (annealing.anneal, {"bounds": (1.0, -1.0)}, "low < high"),
        (annealing.anneal, {"bounds": (-0.1, 0.1)}, "x0 must lie within bounds"),
        (annealing.anneal, {"bounds": [(-9, 9)]}, r"a tuple \(low, high\) or a scipy"),
        (
            annealing.anneal,
            {"x0": jnp.ones(3)},
            r"\(chains, d\), got \(3,\): pass a sin",
        ),
        (annealing.anneal, {"x0": PLAIN}, "the state of a run with the same energy"),
        (annealing.metropolis, {"energy": lambda x: 3}, "a floating-point scalar"),
        (annealing.metropolis, {"propose": lambda key, x: x[0]}, "propose must return"),
        (annealing.metropolis, {"x0": {"a": 1.0}}, "a leading axis of chains"),
        (annealing.metropolis, {"x0": (X0, X0[:2])}, "the same in all of its arrays"),
        (annealing.metropolis, {"f": "linaer"}, "did you mean 'linear'"),
        (
            annealing.metropolis,
            {"f": None, "logarithm": True},
            "takes logarithm only with f",
        ),
        (
            annealing.metropolis,
            {"f": None, "threshold": lm.running_min()},
            "takes threshold only with f",
        ),
        (annealing.metropolis, {"x0": np.full((3, 2), 3 * 10**9)}, "int32 can hold"),
        (step, {"state": X0}, "state must be of type AnnealState, as init returns"),
        (step, {"temperature": jnp.ones(2)}, r"of shape \(3,\); got shape \(2,\)"),
        (annealing.expectation, {"c": jnp.ones(4)}, "c must broadcast"),
        (annealing.expectation, {"value": jnp.ones(3)}, r"shape \(records, chains\)"),
        (spins.ising, {"couplings": jnp.ones((3, 3))}, "must be symmetric"),
        (spins.potts, {"q": 200}, "q must be at most 127"),
        (spins.edges, {"pairs": [(0, 3)]}, "pairs must be integers from 0 to 2"),
        (spins.edges, {"pairs": [(0, 1), (1, 0)]}, "each pair once"),
        (lm.population, {"rule": lm.population()}, "rule must be the threshold of one"),
    ],
)
def test_messages_say_what_is_wrong(function, change, message):
    good, _ = BAD[function]

    with pytest.raises(ValueError, match=message):
        function(**good | change)


anneal = functools.partial(annealing.anneal, **ANNEAL | {"method": "improved_kinetic"})


@pytest.mark.parametrize(
    "value", [0.5, 1, np.float32(0.5), np.int64(1), jnp.float32(1)]
)
def test_numbers_of_any_kind_are_taken(value):
    annealing.langevin_noise(value, value, 0)
    annealing.kinetic_langevin(value, value, np.int32(3))
    annealing.geometric(value, value, value)(3)
    annealing.logarithmic(value)(3)
    anneal(step_size=value, temperature=value, eps=value, steps=np.int64(2))


@pytest.mark.parametrize(
    "key", [KEY, jax.random.PRNGKey(1), jax.random.key(1, impl="rbg")]
)
def test_keys_of_any_kind_are_taken(key):
    assert np.isfinite(anneal(key=key).best_x).all()
    tx = annealing.langevin_noise(0.1, 0.1, key)
    assert np.isfinite(tx.update(X0, tx.init(X0))[0]).all()


def test_lists_are_points_and_whole_numbers_are_coordinates():
    assert anneal(x0=[[1, 2], [3, 4]]).best_x.dtype == jnp.float32
