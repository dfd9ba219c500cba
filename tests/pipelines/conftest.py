"""What tests of several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from models.evaluation import checked_model
from models.prediction.checks.real_pictures import Sample
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel


@pytest.fixture
def checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a model once for all tests: that takes seconds, in a process of its own."""
    monkeypatch.setattr(checked_model, "prepare", prepare_once)


def prepare_once(model: Path, *, options: EngineOptions, samples: Sequence[Sample] = ()) -> ReadyModel:
    """Check a model without its samples, which differ from test to test; `tests/models/prediction` looks at them."""
    return _prepare_once(model, options)


@cache
def _prepare_once(model: Path, options: EngineOptions) -> ReadyModel:
    return prepare(model, options=options)
