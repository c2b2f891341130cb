"""What the tests of models share."""

import pytest

from models import barrier, conv


@pytest.fixture(params=["0.10", "0.12"])
def either_xla(request, monkeypatch):
    """What is chosen by jax's version: each runs on all of them."""
    new = request.param == "0.12"
    monkeypatch.setattr(conv, "PAIRED_CHANNELS", 16 if new else 0)
    monkeypatch.setattr(barrier, "BARRIERS_HOLD", new)
