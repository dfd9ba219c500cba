"""Trimaps that a network gives: of three classes as it says, of two along the outline of its person."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

import msgspec

from curation.matting_probability import trimap_of, trimap_of_classes
from curation.pixels import Image
from curation.quarantine import BadRecord, Code
from curation.trimaps import Trimap
from models.prediction.predictor import EnginePredictor
from models.prediction.protocol import Probability
from models.prediction.ready import ReadyModel
from models.preprocessing import at_size

BACKGROUND: Final = 0
PERSON: Final = 2
TRIMAP_CLASSES: Final = 3
"""Of a card's `classes`: background, unknown, person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimapModel:
    """A model that travels to worker processes; each opens it once, since equal hashes make equal models."""

    sha256: str
    model: ReadyModel = field(compare=False)


def predicted_trimap(image: Image, file: str, *, model: TrimapModel) -> Trimap:
    """Give the trimap of an image (h, w, 3); raises BadRecord: MODEL_NONFINITE, naming `file`."""
    if model.model.card.classes == TRIMAP_CLASSES:
        background, person = (_probability(_opened(model, index), image, file=file) for index in (BACKGROUND, PERSON))
        return trimap_of_classes(background, person=person)
    return trimap_of(_probability(_opened(model, None), image, file=file), input_size=model.model.card.input_size)


@lru_cache(maxsize=2)
def _opened(model: TrimapModel, index: int | None) -> EnginePredictor:
    """Open a model in this process, as one that predicts the class of this index."""
    ready = model.model
    if index is not None:
        ready = replace(ready, card=msgspec.structs.replace(ready.card, person_index=index))
    return ready.predictor(threads=1)


def _probability(predictor: EnginePredictor, image: Image, *, file: str) -> Probability:
    (found,) = predictor.raw([image])
    if found is None:
        raise BadRecord(Code.MODEL_NONFINITE, "the model gives numbers that are not finite", file=file)
    return at_size(found.probability, size=(image.shape[0], image.shape[1]))
