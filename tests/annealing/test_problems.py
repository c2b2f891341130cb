"""Problems as their owners have them: dimod, networkx, SciPy, and runs with limits."""

import itertools
import re
import unittest
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from jax.experimental.sparse import BCOO

from landmod_jax import annealing
from landmod_jax.annealing import spins

dimod = pytest.importorskip("dimod")
nx = pytest.importorskip("networkx")

from landmod_jax.annealing.dimod_sampler import LandscapeSampler  # noqa: E402

pytestmark = pytest.mark.promotes
KEY = jax.random.key(0)
Q = np.array([[-2.0, 3.0, 0.5], [-1.0, 1.0, 0.0], [0.0, 2.0, -1.5]])


def random_bqm(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    bqm = dimod.BinaryQuadraticModel(("SPIN", "BINARY")[seed % 2])
    for i in range(n):
        bqm.add_variable(("v", i) if i % 3 else f"x{i}", rng.normal() * (seed % 5 > 0))
    pairs = list(itertools.combinations(bqm.variables, 2))
    for index in np.flatnonzero(rng.random(len(pairs)) < (0, 0.1, 0.9)[seed % 3]):
        bqm.add_quadratic(*pairs[index], rng.normal())
    bqm.offset = 10 * rng.normal()
    return bqm


@pytest.mark.parametrize("seed", range(6))
def test_energies_and_variables_are_dimods(seed):
    bqm = random_bqm(seed)
    problem = spins.from_bqm(bqm)
    x = np.random.default_rng(seed).choice([-1, 1], (20, problem.model.n))
    samples = [problem.decode(state) for state in x]
    exact = bqm.energies(samples)
    np.testing.assert_allclose(problem.energy(x), exact, rtol=1e-9, atol=1e-9)
    # In float32, relative to the largest: terms of either sign cancel.
    energies = jax.vmap(problem.model)(x)
    np.testing.assert_allclose(energies, exact, 0, 1e-5 * abs(exact).max())


@pytest.mark.parametrize("seed", range(4))
def test_default_temperatures_are_those_of_dwave_samplers(seed):
    samplers = pytest.importorskip("dwave.samplers")
    bqm = random_bqm(seed).change_vartype("BINARY")
    for i, v in enumerate(bqm.variables):  # equal and missing terms as well
        bqm.set_linear(v, (0, 0.5, 0.5, 2)[(i + seed) % 4])
    if seed % 2:
        bqm = dimod.BQM.from_ising({}, dict.fromkeys(bqm.quadratic, 1.0) or {"ab": 1})
    sampler = samplers.SimulatedAnnealingSampler()
    betas = sampler.sample(bqm, num_sweeps=2).info["beta_range"]
    temperatures = spins.from_bqm(bqm).model.temperatures()
    np.testing.assert_allclose(temperatures, 1 / np.array(betas), rtol=1e-4)


def test_temperatures_of_a_potts_model_follow_from_its_flips():
    model = spins.potts(
        3 * jnp.array([[0.0, 1], [1, 0]]), 3, jnp.array([[0, 1, 5], [0] * 3])
    )
    costs = [
        abs(float(model(jnp.array(s)) - model(jnp.array(t))))
        for s, t in itertools.product(itertools.product(range(3), repeat=2), repeat=2)
        if (s[0] != t[0]) + (s[1] != t[1]) == 1
    ]
    first, last = model.temperatures()
    assert first == pytest.approx(max(costs) / np.log(2))
    assert last == pytest.approx(1 / np.log(100))  # the field of one spin


def test_annealing_without_temperatures_cools_between_the_defaults():
    model = spins.curie_weiss(6, field=0.3)
    start = model.sample(KEY, 4)
    options = {"steps": 60, "records": 5}
    first, last = model.temperatures()
    named = annealing.geometric(first, last, 60)
    runs = [
        annealing.metropolis(model, model.flips(), start, KEY, temperature=T, **options)
        for T in (None, named)
    ]
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), *runs))
    with pytest.raises(ValueError, match="temperature must be"):
        annealing.metropolis(model, model.flips(), runs[0].state, KEY, **options)
    constant = spins.ising(np.zeros((2, 2)))
    assert tuple(map(float, constant.temperatures())) == (1, 1)


MATRICES = {
    "array": Q,
    "SciPy, of parts": scipy.sparse.coo_array(
        (
            np.r_[Q.ravel(), 1, -1],
            (np.r_[np.repeat(range(3), 3), 0, 0], [0, 1, 2] * 3 + [2, 2]),
        )
    ),
    "BCOO": BCOO.fromdense(jnp.asarray(Q), nse=9),
    "dictionary": dict(np.ndenumerate(Q)),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_a_qubo_of_any_format_has_its_energies(kind):
    problem = spins.qubo(MATRICES[kind], offset=0.25)
    for bits in itertools.product((0, 1), repeat=3):
        state = 2 * np.array(bits) - 1
        exact = np.array(bits) @ Q @ np.array(bits) + 0.25
        assert problem.decode(state) == dict(enumerate(bits))
        assert problem.energy(state) == exact == problem.model(state)


GRAPH = nx.Graph()
GRAPH.add_weighted_edges_from([("x", (1, 2), 2.0), ((1, 2), 7, -1.0), (7, "x", 1.0)])
GRAPH.add_node("alone")


def test_models_take_graphs_and_sparse_matrices():
    matrix = nx.to_scipy_sparse_array(GRAPH)
    for weights in (
        GRAPH,
        matrix,
        BCOO.from_scipy_sparse(matrix),
        nx.MultiGraph(GRAPH),
    ):
        model = spins.max_cut(weights)
        for s in itertools.product((-1, 1), repeat=4):
            side = {node for node, spin in zip(GRAPH, s) if spin > 0}
            assert -model(s) == nx.cut_size(GRAPH, side, weight="weight")
    assert spins.max_cut(nx.path_graph(3))([1, -1, 1]) == -2  # weights are 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: spins.ising(scipy.sparse.csr_array(Q)), "couplings must be symmetric"),
        (lambda: spins.max_cut(nx.DiGraph([(0, 1)])), "weights must be an undirected"),
        (lambda: spins.qubo(np.ones((2, 3))), "Q must be a square matrix"),
        (lambda: spins.qubo({"abc": 1.0}), "Q must have pairs of variables"),
        (lambda: spins.qubo({}), "Q must"),
        (lambda: spins.from_bqm(Q), "bqm must be a dimod"),
        (
            lambda: LandscapeSampler().sample_qubo({"ab": 1}, beta_schedule=[-1]),
            "beta_schedule",
        ),
        (
            lambda: LandscapeSampler().sample_qubo(
                {"ab": 1}, beta_schedule=[1], num_sweeps=2
            ),
            "one beta for each",
        ),
        (lambda: LandscapeSampler().sample_qubo({"ab": 1}, seed=-1), "seed must be"),
    ],
)
def test_what_is_no_problem_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@dimod.testing.load_sampler_bqm_tests(LandscapeSampler)
class TestDimodsOwnCases(unittest.TestCase):
    def test_its_interface(self):
        dimod.testing.assert_sampler_api(LandscapeSampler())


def test_the_sampler_is_reproducible_and_takes_its_arguments():
    bqm, sampler = random_bqm(4), LandscapeSampler()
    exact = dimod.ExactSolver().sample(bqm.copy()) if len(bqm) < 16 else None
    common = {"num_reads": 6, "seed": 3, "num_sweeps": 20}
    runs = [
        sampler.sample(bqm, **common, **options)
        for options in (
            {}, {}, {"beta_range": (0.1, 5.0)}, {"f": "linear"},
        )
    ]  # fmt: skip
    assert runs[0] == runs[1]
    assert all(len(run) == 6 and run.vartype is bqm.vartype for run in runs)
    if exact is not None:
        assert all(run.first.energy >= exact.first.energy - 1e-9 for run in runs)
    start = sampler.sample(bqm, num_reads=2)
    cold = sampler.sample(bqm, initial_states=start, beta_schedule=[1e6], seed=0)
    assert len(cold) == 2
    assert (cold.record.energy <= start.record.energy + 1e-9).all()
    with pytest.warns(dimod.exceptions.SamplerUnknownArgWarning):
        sampler.sample(bqm, no_such=1)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "annealing.md"
ROWS = {
    row[1]: row[2].replace("`<br>`", "\n")
    for row in re.finditer(r"^\| (.*?) \| `(.*)` \|$", PAGE.read_text("utf-8"), re.M)
    if "\n" in row[2].replace("`<br>`", "\n")
}
# Of what a row leaves behind, and what it must equal.
WANTED = {
    "a QUBO": ("problem.energy([1, 1, -1])", Q[:2, :2].sum()),
    "a dimod": ("model([-1, 1])", 0.5 + 1 - 2 - 1.5),
    "dimod's": ("samples.first.energy", -2.0),
    "couplings": ("samples.first.energy", -3.5),
    "a networkx graph `G` to cut": ("model([1, -1, 1, 1])", -1.0),
    "a networkx graph `G` to color": ("model([0, 0, 1, 1])", 2.0),
    "sparse": ("model([1, -1, 1, 1])", -1.0),
    "fields": ("model([1, 1])", -3.0),
    "a Gset": ("-model([1, -1, 1])", 5.0),
    "a `.qubo`": ("problem.energy([1, 1])", 1.5),
    "a run, to": ("arviz.rhat(np.asarray(run.trajectory.value).T) > 0.9", True),
    "a run, for": ("arviz.ess(np.asarray(run.trajectory.value).T) > 1", True),
}


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.filterwarnings("ignore:.*:FutureWarning")
def test_the_lines_for_what_you_have_run(wanted, tmp_path, monkeypatch):
    (code,) = (code for have, code in ROWS.items() if have.startswith(wanted))
    if "arviz" in code:
        pytest.importorskip("arviz")
    monkeypatch.chdir(tmp_path)
    Path("G1").write_text("3 2\n1 2 2\n2 3 3\n")
    Path("a.qubo").write_text("c a comment\np qubo 0 2 2 1\n0 0 1\n1 1 -1\n0 1 1.5\n")
    graph = nx.Graph([("x", "y"), ("z", "w"), ("y", "z")])
    graph.remove_edge("y", "z")
    names = {
        "np": np, "jax": jax, "nx": nx, "spins": spins, "key": KEY, "G": graph,
        "Q": Q, "J": {"ab": 1.5}, "h": {"a": 2.0, "b": 0.0}, "b": [1.0, 2.0],
        "A": nx.to_scipy_sparse_array(graph) * 1.0,
        "bqm": dimod.BQM({"a": -1.0, "b": -2.0}, {"ab": 1.5}, 0.5, "SPIN"),
        "run": annealing.anneal(
            rough, jnp.ones((4, 2)), KEY, method="langevin", steps=300, step_size=0.1,
            temperature=1.0,
        ) if "run" in code else None,
    }  # fmt: skip
    exec(code, names)
    expression, value = WANTED[wanted]
    assert eval(expression, names) == pytest.approx(value)


def test_every_line_for_what_you_have_is_tried():
    assert len(ROWS) == len(WANTED)


def rough(x):
    return (x**2).sum()


def limited(kind, start=None, key=KEY, **limits):
    """A run of `anneal` or `metropolis` of 400 steps."""
    if kind == "anneal":
        x0 = jnp.full((3, 2), 2.0) if start is None else start
        return annealing.anneal(
            rough, x0, key, steps=400, step_size=0.01, temperature=0.1, **limits
        )
    model = spins.curie_weiss(20)
    x0 = model.sample(KEY, 3) if start is None else start
    return annealing.metropolis(
        model, model.flips(), x0, key, steps=400, temperature=1.0, **limits
    )


@pytest.mark.parametrize("kind", ["anneal", "metropolis"])
def test_a_run_stops_at_its_target_and_is_the_start_of_a_longer_one(kind):
    whole = limited(kind, records=20)
    best = np.asarray(whole.trajectory.best_value).min(1)
    target = float(best[7]) + 1e-4  # values along the way are rounded
    run = limited(kind, records=20, target=target)
    first = int(np.flatnonzero(best <= target)[0])
    assert run.state.step == whole.trajectory.step[first]
    assert run.best_value.min() <= target
    cut = jax.tree.map(lambda leaf: leaf[: first + 1], whole.trajectory)
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), run.trajectory, cut))
    unreached = limited(kind, records=20, target=-1e9)
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), unreached, whole))
    none = limited(kind, records=0, target=1e9)  # the first of a hundred checks
    assert none.state.step == 4
    assert len(none.trajectory.step) == 0


@pytest.mark.parametrize("kind", ["anneal", "metropolis"])
def test_a_run_stops_at_its_time_limit(kind, monkeypatch):
    clock = itertools.count()  # a second a look
    monkeypatch.setattr(
        "landmod_jax.annealing._driver.time.monotonic", lambda: next(clock)
    )
    assert limited(kind, records=20, time_limit=3.0).state.step == 60
    assert limited(kind, records=20, time_limit=1e9).state.step == 400


def test_limits_work_under_no_transformation():
    with pytest.raises(ValueError, match="impossible under"):
        jax.jit(lambda x: limited("anneal", x, target=0.0))(jnp.ones((3, 2)))
