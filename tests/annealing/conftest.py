"""The tests of annealing run with strict promotion of dtypes, unless marked."""

import jax
import pytest


@pytest.fixture(autouse=True)
def _strict_promotion(request):
    promotes = request.node.get_closest_marker("promotes") is not None
    with jax.numpy_dtype_promotion("standard" if promotes else "strict"):
        yield
