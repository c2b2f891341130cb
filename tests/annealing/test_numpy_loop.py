"""`anneal` against a loop in NumPy, given the same noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landmod_jax import annealing
from landmod_jax.annealing import METHODS, _noise
from tests.annealing import numpy_loop as reference

KEY = jax.random.key(5)
STEPS = 8
# Of each problem, with a low wall against which the force pushes.
BOXES = (-4.9, 5.12), (-2.0, 5.0)


class OurNoise:
    """In place of a generator: the numbers that `anneal` draws, step by step."""

    def __init__(self):
        self.step = 0

    def standard_normal(self, shape, dtype):
        chains, d = shape
        drawn = _noise.normal(
            _noise.words(KEY), jnp.int32(self.step), d, chains, jnp.float32
        )
        self.step += 1
        return np.asarray(drawn.T, dtype)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("problem", [0, 1])
def test_the_same_points(problem, method):
    objective, evaluate = reference.PROBLEMS[problem]
    box = BOXES[problem]
    start = jnp.clip(objective.sample(jax.random.key(1), 50), *box)
    start = start.at[:20].set(box[0])
    expected = reference.loop(
        evaluate,
        np.asarray(start, np.float64),
        OurNoise(),
        method=method,
        steps=STEPS,
        box=box,
    )
    result = annealing.anneal(
        objective,
        start,
        KEY,
        method=method,
        steps=STEPS,
        step_size=reference.STEP_SIZE[METHODS[method].kinetic],
        temperature=annealing.geometric(reference.INITIAL, reference.FINAL, STEPS),
        bounds=box,
    )
    x, best_x, best_value = expected
    np.testing.assert_allclose(result.state.x, x, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(result.best_x, best_x, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(result.best_value, best_value, rtol=1e-4, atol=1e-3)
