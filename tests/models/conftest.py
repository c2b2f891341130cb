"""What the tests of models share."""

import pytest

from models.cpu import barrier


@pytest.fixture(params=["0.10", "0.12"])
def either_xla(request, monkeypatch):
    """What is chosen by jax's version, each on all of them."""
    monkeypatch.setattr(barrier, "BARRIERS_HOLD", request.param != "0.10")
