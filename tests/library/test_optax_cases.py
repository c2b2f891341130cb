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


def behind_lm(learning_rate: ScalarOrSchedule, eps=1.0, decay=0.0):
    tx = lm.landscape_modify(eps=eps, threshold=lm.smoothed_min(decay))
    return optax.chain(tx, optax.sgd(learning_rate))


def accumulated(learning_rate: ScalarOrSchedule, every=1):
    return lm.accumulate(behind_lm(learning_rate), every)


# To optimizers of the first two names, the tests pass the loss.
OURS = {
    "momo": (behind_lm, {"learning_rate": 1e-3}),
    "momo_adam": (accumulated, {"learning_rate": 1e-3}),
    "torch_sgd": (lm.torch_optim.sgd, {"lr": 1e-3, "momentum": 0.5, "nesterov": True}),
    "torch_adam": (lm.torch_optim.adam, {"lr": 0.1}),
    "torch_adagrad": (lm.torch_optim.adagrad, {"lr": 1.0}),
    "torch_rmsprop": (lm.torch_optim.rmsprop, {"lr": 1e-3, "momentum": 0.5}),
}
CASES = tuple(
    {
        "opt_name": name,
        "opt_kwargs": kwargs,
        "wrapper_name": None,
        "wrapper_kwargs": None,
    }
    for name, (_, kwargs) in OURS.items()
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
    assert sum(name.startswith("test_") for name in dir(ContribTest)) >= 90
