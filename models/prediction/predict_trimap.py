"""Trimaps that a network gives, of three classes as it says, of two along the outline of its person; and alphas."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from curation.images.pixels import Alpha, Image
from curation.labels.trimaps import Trimap
from curation.matting.from_probability import trimap_of, trimap_of_classes
from curation.quarantine import BadRecord, Code
from models.prediction.predictor import Answer, EnginePredictor
from models.prediction.ready_model import ReadyModel
from models.preprocessing import at_size


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimapModel:
    """A model that travels to worker processes; each opens it once, since equal hashes make equal models."""

    sha256: str
    model: ReadyModel = field(compare=False)


def predicted_trimap(image: Image, file: str, *, model: TrimapModel) -> Trimap:
    """Return the trimap of an image (h, w, 3); raises BadRecord: MODEL_NONFINITE, naming `file`."""
    found, size = _answer(image, model=model, file=file), (image.shape[0], image.shape[1])
    person = at_size(found.probability, size=size)
    if found.background is not None:
        return trimap_of_classes(at_size(found.background, size=size), person=person)
    return trimap_of(person, input_size=model.model.card.input_size)


def predicted_alpha(image: Image, file: str, *, model: TrimapModel) -> Alpha:
    """Return the alpha of an image (h, w, 3) by a model that gives one; raises BadRecord: MODEL_NONFINITE."""
    found = at_size(_answer(image, model=model, file=file).probability, size=(image.shape[0], image.shape[1]))
    return np.asarray(np.rint(found * 255), np.uint8)


@lru_cache(maxsize=1)
def _opened(model: TrimapModel) -> EnginePredictor:
    """Open a model in this process."""
    return model.model.predictor(threads=1)


def _answer(image: Image, *, model: TrimapModel, file: str) -> Answer:
    (found,) = _opened(model).raw([image])
    if found is None:
        raise BadRecord(Code.MODEL_NONFINITE, "the model gives numbers that are not finite", file=file)
    return found
