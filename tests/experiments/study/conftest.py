import pytest

from experiments.commands.cli import main
from experiments.runs import provenance
from tests.experiments.study.examples import WALKS, at_reduced_scale


@pytest.fixture(scope="module", autouse=True)
def _registered(tmp_path_factory):
    with at_reduced_scale(tmp_path_factory.mktemp("example")):
        yield


@pytest.fixture(autouse=True)
def _without_git(monkeypatch):
    monkeypatch.setattr(provenance, "commit", lambda: None)  # a process each time


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    """A finished study of the documentation's example."""
    out = tmp_path_factory.mktemp("walks") / "study"
    assert main([*WALKS, str(out)]) == 0
    return out
