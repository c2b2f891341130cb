import pytest

from experiments.commands import present


@pytest.fixture
def unpresented(monkeypatch):
    """Commands train only: tables and pictures take most of a small run's time."""
    monkeypatch.setattr(present, "present", lambda *arguments: None)
