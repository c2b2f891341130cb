"""optax's own tests of contributed optimizers, with ours in place of theirs.

They lie beside its code: extra arguments, recompilation, tree.map_params, convergence
on four targets, inject_hyperparams, dtypes, MultiSteps, stable states, schedules.
"""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import optax
import pytest
from optax import ScalarOrSchedule

import landmod_jax as lm

pytestmark = pytest.mark.promotes

SPEC = importlib.util.find_spec("optax.contrib._common_test")
if SPEC is None:
    pytest.skip("this optax comes without its tests", allow_module_level=True)


def sgd(learning_rate: ScalarOrSchedule, eps=1.0, decay=0.0):
    tx = lm.landscape_modify(eps=eps, threshold=lm.smoothed_min(decay))
    return optax.chain(tx, optax.sgd(learning_rate))


def adam(learning_rate: ScalarOrSchedule, eps=1.0):
    return optax.chain(optax.adam(learning_rate), lm.landscape_modify("bounded", eps))


# To optimizers of these names, the tests pass the loss.
OURS = {"momo": (sgd, 1e-3), "momo_adam": (adam, 1e-1)}
CASES = tuple(
    {
        "opt_name": name,
        "opt_kwargs": {"learning_rate": rate},
        "wrapper_name": None,
        "wrapper_kwargs": None,
    }
    for name, (_, rate) in OURS.items()
)


def with_ours(source):
    """Their test class, which its decorators fill with cases when it is defined."""
    head, start, tests = source.partition("class ContribTest(")
    namespace = {"__name__": __name__}
    exec(head, namespace)
    namespace |= {
        "contrib": SimpleNamespace(**{name: make for name, (make, _) in OURS.items()}),
        "_MAIN_OPTIMIZERS_UNDER_TEST": CASES,
        "_ALL_OPTIMIZERS_UNDER_TEST": CASES,
    }
    exec(start + tests, namespace)
    return namespace["ContribTest"]


ContribTest = with_ours(Path(SPEC.origin).read_text())


def test_there_are_cases():
    assert sum(name.startswith("test_") for name in dir(ContribTest)) >= 30
