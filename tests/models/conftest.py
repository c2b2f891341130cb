"""What the tests of models share."""

import pytest

from models import compiler_options
from models.cpu import barrier


@pytest.fixture(params=["0.10", "0.12", "oneDNN"])
def either_xla(request, monkeypatch):
    """What is chosen by jax's version, each on all of them; gives compiler options."""
    monkeypatch.setattr(barrier, "BARRIERS_HOLD", request.param != "0.10")
    return compiler_options() if request.param == "oneDNN" else {}
