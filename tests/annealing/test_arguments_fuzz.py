"""Generated arguments of every public name of annealing: they work, or are named.

A call is right or raises a ValueError that names the argument and says what was got.
"""

import functools
import inspect

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
LEFT_OUT = {
    "METHODS",
    "MethodName",
    "AnnealResult",
    "AnnealState",
    "Trajectory",
    "MetropolisResult",
    "MetropolisState",
    "MetropolisTrajectory",
    "Expectation",
    "Moves",  # a protocol
}
LEFT_OUT |= {"LangevinNoiseState", "KineticLangevinState"}  # results, not arguments

NOT_NUMBERS = [
    "0.1", None, [0.1], (1.0, 2.0), {}, True, 1j, float("nan"), float("inf"),
    jnp.ones(2), jnp.array(True), np.array("x"), object(), lm, b"1",
]  # fmt: skip
NOT_ABOVE_0 = [*NOT_NUMBERS, -1, -0.5, 0, 0.0, np.float32(-1), jnp.float32(0)]
NOT_SCHEDULES = [lambda: 1.0, lambda a, b: 1.0]
NOT_INTEGERS = [
    "2", None, [2], 2.0, -1, True, np.float64(2), jnp.ones(2, int), 2**40, 1j,
]  # fmt: skip
NOT_COUNTS = [0, *NOT_INTEGERS]
NOT_KEYS = ["key", None, [0, 1], 0.5, True, jnp.ones(3), jax.random.split(KEY), lm]
NOT_FUNCTIONS = [None, 3, "U", [U], X0, lambda: 1.0, lambda x, y: 1.0]
NOT_ENERGIES = [
    *NOT_FUNCTIONS,
    lambda x: x,
    lambda x: (x.sum(), 1),
    lambda x: "high",
    lambda x: None,
    lambda x: x.no_such(),
    lambda x: 1j * x.sum(),
    lambda x: 3,
    lambda x: float(x[0]),
    objectives.ackley,  # a factory, not called
]

anneal = functools.partial(
    annealing.anneal, U, X0, KEY, method="improved_kinetic", steps=2, step_size=0.01,
    temperature=1.0, records=0,
)  # fmt: skip
STATE = anneal().state
PLAIN = anneal(method="langevin").state


def call(name, good, /, **bad):
    """Cases of one function: a bad value in one place of good arguments."""
    function = getattr(annealing, name, None) or getattr(spins, name)
    return [
        (name, function, good | {argument: value}, argument)
        for argument, values in bad.items()
        for value in values
    ]


METROPOLIS = {"energy": U, "propose": lambda key, x: x, "x0": X0, "key": KEY}
METROPOLIS |= {"steps": 2, "temperature": 1.0, "f": "linear", "records": 0}
NOT_STATES = [
    None, "x", 1.0, jnp.ones((0, 2)), {}, object(), [[1.0], [1.0, 2.0]], STATE, [X0, 1],
    (X0, X0[:2]),
]  # fmt: skip
NOT_SHAPES = ["linaer", 3, lambda: 1, lambda u: u - 1, lambda u: "f", lambda u: (u, u)]
NOT_FLAGS = [1, "yes", None, 0.0]
WEIGHTS = {"value": jnp.ones((2, 3)), "temperature": 1.0, "f": "linear", "c": 0.0}
WEIGHTS_BAD = {
    "temperature": NOT_ABOVE_0,
    "f": NOT_SHAPES,
    "c": [None, "low", 1j, jnp.ones(7), object()],
    "logarithm": NOT_FLAGS,
    "target": [value for value in NOT_ABOVE_0 if value is not None],
}
J = jnp.ones((3, 3)) - jnp.eye(3)
NOT_COUPLINGS = [
    None, "J", 1.0, jnp.ones(3), jnp.ones((2, 3)), jnp.ones((3, 3)), 1j * J, J > 0,
    jnp.full((3, 3), jnp.nan), object(),
]  # fmt: skip
NOT_FIELDS = ["h", None, jnp.ones(2), 1j, jnp.nan, jnp.inf, object()]
ANNEAL = {"energy": U, "x0": X0, "key": KEY, "method": "improved_kinetic"}
ANNEAL |= {"steps": 2, "step_size": 0.01, "temperature": 1.0, "records": 0}
BAD = [
    *call(
        "anneal",
        ANNEAL,
        energy=NOT_ENERGIES,
        x0=[
            None, "x", 1.0, jnp.ones(3), jnp.ones((2, 2, 2)), jnp.ones((0, 2)),
            jnp.ones((3, 0)), 1j * X0, X0 > 0, {}, object(), [[1.0], [1.0, 2.0]], PLAIN,
            STATE._replace(c=None), STATE._replace(y=X0[:1]), STATE._replace(step=1.5),
            STATE._replace(threshold=()), STATE._replace(step=jnp.int32(2**31 - 2)),
            tuple(STATE),
        ],
        key=[*NOT_KEYS, 0],
        method=["langvin", None, 3, ["kinetic"], True],
        steps=NOT_COUNTS,
        step_size=NOT_ABOVE_0,
        temperature=[
            *NOT_ABOVE_0, *NOT_SCHEDULES, annealing.geometric, lambda t: -1.0,
            lambda t: "hot", lambda t: jnp.ones(2), lambda t: None,
            lambda t: jnp.nan, lambda t: float("inf"),
        ],
        f=["linaer", 3, lambda: 1, lambda u: u - 1, lambda u: "f", lambda u: (u, u)],
        eps=[value for value in NOT_ABOVE_0 if value is not None],
        threshold=[0.5, "min", lm.running_min, U],
        bounds=[
            1.0, (1.0,), (2.0, 1.0), (1.0, 1.0), ("a", "b"), (None, 1.0), (-9.0, 0.0),
            (jnp.zeros(3), 1.0), (-1.0, float("nan")), (-2.0, 2.0, 3.0), {},
        ],
        at_bounds=["wrap", None, 3, True],
        scheme=["rk4", 3, True, ["euler"]],
        records=NOT_INTEGERS,
    ),
    *call(
        "metropolis",
        METROPOLIS,
        energy=NOT_ENERGIES,
        propose=[None, 3, "U", lambda x: x, lambda key, x: x[0], lambda key, x: x.no()],
        x0=NOT_STATES,
        key=[*NOT_KEYS, 0],
        steps=NOT_COUNTS,
        temperature=[
            *NOT_NUMBERS, -1, -0.5, *NOT_SCHEDULES, annealing.geometric, lambda t: -1.0,
            lambda t: "hot", lambda t: jnp.ones(2), lambda t: jnp.nan,
        ],
        f=NOT_SHAPES,
        threshold=[0.5, "min", lm.running_min, U],
        logarithm=NOT_FLAGS,
        records=NOT_INTEGERS,
    ),
    *call("log_weights", WEIGHTS, value=[None, "U", 1j, object()], **WEIGHTS_BAD),
    *call(
        "expectation",
        WEIGHTS | {"statistic": jnp.ones((2, 3))},
        statistic=[None, "g", 1.0, jnp.ones(3), jnp.ones((3, 2)), object()],
        value=[None, "U", 1.0, jnp.ones(3), jnp.ones((2, 3, 1)), jnp.ones((0, 3))],
        confidence=[*NOT_NUMBERS, 0, 1, -0.5, 95],
        **WEIGHTS_BAD,
    ),
    *call("ising", {"couplings": J}, couplings=NOT_COUPLINGS, fields=NOT_FIELDS),
    *call(
        "potts",
        {"couplings": J, "q": 3},
        couplings=NOT_COUPLINGS, q=[*NOT_COUNTS, 1, 128], fields=NOT_FIELDS,
    ),
    *call("max_cut", {"weights": J}, weights=NOT_COUPLINGS),
    *call(
        "curie_weiss",
        {"n": 3},
        n=[*NOT_COUNTS, 1], coupling=NOT_NUMBERS, field=NOT_NUMBERS,
    ),
    *call(
        "edges",
        {"n": 3, "pairs": [(0, 1)], "weights": 1.0},
        n=[*NOT_COUNTS, 1],
        pairs=[None, "p", 1, [0, 1], [(0, 0)], [(0, 3)], [(0, 1), (1, 0)], [(0.5, 1)]],
        weights=["w", None, jnp.ones(2), 1j, jnp.nan, object()],
    ),
    *call(
        "langevin_noise",
        {"learning_rate": 0.1, "temperature": 0.1, "key": 0},
        learning_rate=[*NOT_ABOVE_0, *NOT_SCHEDULES],
        temperature=[*NOT_NUMBERS, -1, -0.1, *NOT_SCHEDULES],
        key=[*NOT_KEYS, -1],
    ),
    *call(
        "kinetic_langevin",
        {"step_size": 0.1, "temperature": 0.1, "key": 0},
        step_size=[*NOT_ABOVE_0, *NOT_SCHEDULES],
        temperature=[*NOT_ABOVE_0, *NOT_SCHEDULES],
        key=[*NOT_KEYS, -1],
    ),
    *call(
        "logarithmic",
        {"height": 1.0},
        height=NOT_ABOVE_0,
        t0=[*NOT_ABOVE_0, 1, 0.5],
        step_size=NOT_ABOVE_0,
    ),
    *call(
        "geometric",
        {"initial": 1.0, "final": 0.1, "steps": 5},
        initial=NOT_ABOVE_0,
        final=NOT_ABOVE_0,
        steps=NOT_ABOVE_0,
    ),
]  # fmt: skip


def test_there_are_enough_and_every_public_name_is_among_them():
    assert len(BAD) >= 500
    tried = {name for name, *_ in BAD}
    public = {name for name in vars(annealing) if name[0] != "_"}
    public = {name for name in public if not inspect.ismodule(getattr(annealing, name))}
    assert public - LEFT_OUT <= tried


@pytest.mark.parametrize("name", sorted({name for name, *_ in BAD}))
def test_wrong_arguments_are_named(name):
    wrong = []
    for case, function, arguments, argument in BAD:
        if case != name:
            continue
        shown = f"{argument}={arguments[argument]!r:.60}"
        try:
            function(**arguments)
        except ValueError as error:
            if argument not in str(error):
                wrong.append(f"{shown}: not named: {error!s:.120}")
        except Exception as error:
            wrong.append(f"{shown}: {type(error).__name__}: {error!s:.120}")
        else:
            wrong.append(f"{shown}: accepted")
    assert not wrong, "\n".join(wrong)


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
    assert np.isfinite(anneal().best_x).all()
    anneal_with = annealing.anneal(
        U, X0, key, steps=2, step_size=0.01, temperature=1.0, records=0
    )
    assert np.isfinite(anneal_with.best_x).all()
    tx = annealing.langevin_noise(0.1, 0.1, key)
    assert np.isfinite(tx.update(X0, tx.init(X0))[0]).all()


def test_lists_are_points_and_whole_numbers_are_coordinates():
    result = annealing.anneal(
        U, [[1, 2], [3, 4]], KEY, steps=2, step_size=0.01, temperature=1.0
    )
    assert result.best_x.dtype == jnp.float32
