"""A few rounds of the campaign; the module itself does more."""

import pytest

from tests.experiments.kill_campaign import campaign


@pytest.mark.slow
@pytest.mark.parametrize(("parallel", "rounds"), [("none", 4), ("pmap", 2)])
def test_a_killed_sweep_equals_one_left_alone(parallel, rounds, tmp_path):
    campaign("compare", tmp_path, rounds, epochs=6, parallel=parallel, seed=1)
