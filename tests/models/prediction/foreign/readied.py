"""A foreign model made ready here, without a process of its own, which takes seconds to start."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from curation.errors import CurateError
from curation.images.pixels import Image, Probability
from models.card import read_card
from models.prediction.find_model import find_model
from models.prediction.prepare import checked_model
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel
from tests.models.prediction.foreign.tensorflow_files import SIZE


def ready(path: Path, **options: object) -> ReadyModel:
    found = find_model(path)
    outcome = checked_model(found, read_card(found.card), EngineOptions(workers=1, **options))  # type: ignore[arg-type]
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def picture(*, size: tuple[int, int] = SIZE) -> Image:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def predicted(path: Path, image: Image) -> Probability:
    return ready(path).predictor(threads=1).predict([image])[0]
