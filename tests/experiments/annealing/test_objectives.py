"""The objectives: their minima, and that equal ones are one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.annealing import objectives
from landmod_jax import annealing

OBJECTIVES = [make(d) for make in objectives.OBJECTIVES.values() for d in (2, 5)]


@pytest.mark.parametrize("U", OBJECTIVES, ids=lambda U: f"{U.name}-{U.dimension}")
def test_objectives_have_the_minimum_they_say(U):
    scale = max(1.0, abs(U.minimum))
    for point in U.minimizers:
        x = jnp.asarray(point, jnp.float32)
        assert abs(float(U(x)) - U.minimum) < 1e-4 * scale
        assert (x >= U.low).all()
        assert (x <= U.high).all()
        assert np.abs(jax.grad(U)(x)).max() < 2e-2
    values = jax.vmap(U)(U.sample(jax.random.key(0), 20_000))
    assert np.isfinite(values).all()
    assert values.min() >= U.minimum - 1e-3 * scale


def test_equal_objectives_compile_once(monkeypatch):
    traces = []
    inner = objectives.Objective.__call__
    counted = lambda self, x: (traces.append(None), inner(self, x))[1]
    monkeypatch.setattr(objectives.Objective, "__call__", counted)
    counts = []
    for _ in range(2):
        annealing.anneal(
            objectives.rastrigin(3), jnp.ones((2, 3)), jax.random.key(0), steps=2,
            step_size=1e-3, temperature=1.0,
        )  # fmt: skip
        counts.append(len(traces))
    assert counts[0] == counts[1] > 0
