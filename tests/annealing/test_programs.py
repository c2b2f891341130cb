"""What `anneal` and `metropolis` compile, how often, and how long they keep it."""

import dataclasses
import functools
import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm
from landmod_jax import annealing
from landmod_jax.annealing import _compiled, spins

KEY = jax.random.key(0)
X0 = jnp.ones((3, 2))
HALF = functools.partial(lambda T, step: T, 0.5)


def bowl(x):
    return (x**2).sum()


def jump(key, x):
    return x + jax.random.normal(key, x.shape)


def anneal(energy=bowl, **options):
    options = {"step_size": 1e-3, "temperature": 0.1, "method": "improved"} | options
    return annealing.anneal(energy, X0, KEY, steps=2, records=0, **options)


def metropolis(energy=bowl, propose=jump, **options):
    options = {"temperature": 0.1, "f": "bounded"} | options
    return annealing.metropolis(energy, propose, X0, KEY, steps=2, records=0, **options)


def counting(traces):
    def energy(x):
        traces.append(None)
        return bowl(x)

    return energy


@pytest.mark.parametrize(
    ("run", "options"),
    [
        (anneal, lambda: {"f": lm.bounded(width=1.0), "threshold": lm.constant(0.5)}),
        (anneal, lambda: {"f": jnp.tanh, "temperature": HALF}),
        (metropolis, lambda: {"f": lm.power(1.5), "threshold": lm.windowed_min(n=2)}),
    ],
)
def test_equal_settings_compile_once(run, options):
    traces = []
    energy = counting(traces)
    run(energy, **options())
    once = len(traces)
    run(energy, **options())
    assert len(traces) == once > 0


@pytest.mark.parametrize("run", [anneal, metropolis])
def test_numbers_compile_once(run):
    traces = []
    scaled = lambda a, x: (traces.append(None), a * bowl(x))[1]
    for a, T in ((1.0, 0.1), (2.0, 0.2)):
        for temperature in (T, annealing.geometric(T, 0.1, 5)):
            run(jax.tree_util.Partial(scaled, jnp.float32(a)), temperature=temperature)
        if a == 1:
            once = len(traces)
    assert len(traces) == once > 0


class Traces(list):
    __hash__ = object.__hash__


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Counted:
    """A spin model that counts its traces; its arrays may be large."""

    model: spins.Ising
    traces: Traces = dataclasses.field(metadata={"static": True})

    def __call__(self, s):
        self.traces.append(None)
        return self.model(s)

    def __repr__(self):
        raise AssertionError("an energy's arrays may be large")


def test_other_couplings_of_equal_shapes_do_not_compile_again():
    counts, traces = [], Traces()
    for weights in (1.0, jnp.arange(4.0)):
        model = spins.ising(spins.edges(4, [(0, 1), (1, 2), (2, 3), (0, 3)], weights))
        x0 = model.sample(KEY, 3)
        annealing.metropolis(
            Counted(model, traces), model.flips(), x0, KEY, steps=5, temperature=1.0
        )
        counts.append(len(traces))
    assert counts[0] == counts[1] > 0


class Problem:
    """An energy that counts its traces and closes over one array."""

    def __init__(self):
        self.data, self.traces = jnp.zeros(7), []

    def energy(self, x):
        self.traces.append(None)
        return bowl(x) + self.data[0]


def test_a_method_of_one_object_compiles_once():
    problem, counts = Problem(), []
    for _ in range(2):
        anneal(problem.energy)
        counts.append(len(problem.traces))
    assert counts[0] == counts[1] > 0


def test_what_an_energy_closes_over_is_kept_for_few_programs():
    problem = Problem()
    data = weakref.ref(problem.data)
    anneal(problem.energy)
    del problem
    for k in range(_compiled._kept.cache_parameters()["maxsize"]):
        function = lambda x, k=k: x + k
        _compiled.call(lambda functions, settings, x: x, (function,), (), 1.0)
    gc.collect()
    assert data() is None


@pytest.mark.parametrize(
    "run",
    [
        lambda a: anneal(lambda x: a * bowl(x), f=lm.bounded(a)),
        lambda a: jax.vmap(lambda b: anneal(f=lambda u: b * u))(a[None]),
        lambda a: metropolis(propose=lambda key, x: x + a, threshold=lm.constant(a)),
    ],
)
def test_no_tracer_outlives_its_transformation(run):
    with jax.checking_leaks():
        assert np.isfinite(jax.jit(lambda a: run(a).best_value)(0.5)).all()
