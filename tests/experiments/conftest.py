import pytest

from experiments.commands import present
from experiments.report import style


@pytest.fixture
def unpresented(monkeypatch):
    """Commands train only: tables and pictures take most of a small run's time."""
    monkeypatch.setattr(present, "present", lambda *arguments: None)


@pytest.fixture
def undrawn(monkeypatch):
    """Commands draw no pictures."""
    monkeypatch.setattr(style.Drawing, "of", lambda *arguments: ())
