"""What every training of these tests needs."""

import pytest

from tests.modeling.tiny import forget_accelerators


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Where results are the same to the bit."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    forget_accelerators()


@pytest.fixture
def without_pictures(monkeypatch):
    """They take longer than the trainings."""
    monkeypatch.setattr("qakit.runs.train.draw_curves", lambda *_, **__: None)
