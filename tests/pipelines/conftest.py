"""What tests of several commands share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from models import checked_model
from models.prediction.preparing import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready import ReadyModel


@pytest.fixture
def checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a model once for all tests: that takes seconds, in a process of its own."""
    monkeypatch.setattr(checked_model, "prepare", prepare_once)


@cache
def prepare_once(model: Path, *, options: EngineOptions) -> ReadyModel:
    return prepare(model, options=options)
