"""The kernels: a loop over `step` is `anneal` or `metropolis`, to the bit."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landmod_jax as lm
from landmod_jax import annealing
from landmod_jax.annealing import spins

KEY = jax.random.key(2)
COOLING = annealing.geometric(1.0, 0.1, 400)
PAIRS = [(i, (i + k) % 10) for i in range(10) for k in (1, 3)]
COUPLINGS = np.random.default_rng(0).normal(size=len(PAIRS))
ISING = spins.ising(spins.edges(10, PAIRS, COUPLINGS), 0.1)
SPINS = ISING.sample(jax.random.key(1), 5)
POINTS = jax.random.uniform(jax.random.key(1), (5, 2), minval=-1, maxval=1)


# On jax 0.11 and later, XLA may round a sum differently in another program.
ROUNDING = 0 if jax.__version_info__ < (0, 11) else 1e-5


def assert_equal(a, b):
    chex.assert_trees_all_close(a, b, rtol=ROUNDING, atol=ROUNDING)


def well(x):
    return ((x * x - 1) ** 2 + 0.3 * x).sum()


def jump(key, x):
    return x + 0.3 * jax.random.normal(key, x.shape)


DIFFUSIONS = [
    {"method": "kinetic", "bounds": (-1.5, jnp.array([1.0, 2.0])), "at_bounds": "clip"},
    {"method": "improved", "threshold": lm.population()},
    {"method": "improved_kinetic", "f": "linear", "eps": 0.5, "bounds": (-1.5, 1.5)},
]
CHAINS = [
    (ISING, ISING.flips(), SPINS, {"f": "linear", "threshold": lm.windowed_min(3)}),
    (ISING, ISING.flips("random", "metropolis"), SPINS, {"f": "bounded"}),
    (well, jump, POINTS, {"f": "linear", "logarithm": True}),
]


def looped(kernel, state, count):
    """`count` steps, each at its own temperature."""

    # As in a run, the schedule's numbers are not constants of the program.
    return _loop(kernel, COOLING, state, count)


@functools.partial(jax.jit, static_argnums=0)
def _loop(kernel, cooling, state, count):
    def step(_, state):
        return kernel.step(KEY, state, cooling(state.step))

    return jax.lax.fori_loop(0, count, step, state)


@pytest.mark.parametrize("options", DIFFUSIONS)
def test_a_loop_over_the_diffusion_kernel_is_anneal(options):
    kernel = annealing.diffusion_kernel(well, 0.05, **options)
    run = lambda x0, steps: (
        annealing.anneal(
            well, x0, KEY, steps=steps, step_size=0.05, temperature=COOLING, **options
        ).state
    )
    whole = run(POINTS, 30)
    assert_equal(looped(kernel, kernel.init(POINTS), 30), whole)
    # One continues what the other began.
    assert_equal(looped(kernel, run(POINTS, 9), 21), whole)


@pytest.mark.parametrize(("energy", "propose", "x0", "options"), CHAINS)
def test_a_loop_over_the_metropolis_kernel_is_metropolis(energy, propose, x0, options):
    kernel = annealing.metropolis_kernel(energy, propose, **options)
    run = lambda x0, steps: (
        annealing.metropolis(
            energy, propose, x0, KEY, steps=steps, temperature=COOLING, **options
        ).state
    )
    state, whole = kernel.init(x0), run(x0, 400)  # energies are recomputed at 384
    assert_equal(looped(kernel, state, 400), whole)
    assert_equal(run(looped(kernel, state, 131), 269), whole)


def test_steps_may_be_split_anywhere():
    kernel = annealing.metropolis_kernel(ISING, ISING.flips(), f="linear")
    whole = kernel.step(KEY, kernel.init(SPINS), 0.7, steps=400)
    parts = kernel.step(KEY, kernel.init(SPINS), 0.7, steps=131)
    assert_equal(kernel.step(KEY, parts, 0.7, steps=269), whole)


@pytest.mark.parametrize(
    ("kernel", "x0"),
    [
        (annealing.diffusion_kernel(well, 0.05), POINTS),
        (annealing.metropolis_kernel(ISING, ISING.flips(), f="linear"), SPINS),
    ],
)
def test_each_chain_may_have_its_own_temperature(kernel, x0):
    T = jnp.array([0.1, 0.5, 1.0, 2.0, 5.0])
    state = kernel.step(KEY, kernel.init(x0), T, steps=60)
    for chain in (0, 4):
        alone = kernel.step(KEY, kernel.init(x0), T[chain], steps=60)
        np.testing.assert_allclose(state.x[chain], alone.x[chain], rtol=1e-5, atol=1e-6)


def test_a_kernel_compiles_once_and_may_be_mapped():
    traces = []

    def energy(x):
        traces.append(None)
        return well(x)

    kernel = annealing.metropolis_kernel(energy, jump)
    state = kernel.init(POINTS)
    kernel.step(KEY, state, 0.5, steps=2)
    once = len(traces)
    kernel.step(jax.random.key(5), state, 0.7, steps=2)
    assert len(traces) - once <= 1  # of its shape
    Ts = jnp.array([0.1, 1.0])
    mapped = jax.vmap(lambda T: kernel.step(KEY, state, T, steps=9).value)(Ts)
    for T, value in zip(Ts, mapped):
        alone = kernel.step(KEY, state, T, steps=9)
        np.testing.assert_allclose(value, alone.value, rtol=1e-5)
