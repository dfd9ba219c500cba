"""From a prediction to the alpha that is cut out: as it is, drawn to the edges of the photograph, or matted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import cv2
import numpy as np

from curation.errors import ConfigurationProblem
from curation.images.pixels import Alpha, Image, Probability
from curation.labels.masks import mask_of
from curation.labels.trimaps import UNKNOWN, Trimap
from curation.matting.from_probability import (
    NETWORK_PIXELS,
    alpha_of,
    loses_a_part,
    trimap_of,
    trimap_of_classes,
)
from curation.matting.guided_filter import guided_filter
from curation.matting.matte import matte
from curation.quarantine import BadRecord, Code
from models.prediction.ready_model import ReadyModel
from models.preprocessing import resized

Edge: TypeAlias = Literal["none", "guided", "matting"]
REFINED_PIXELS: Final = 1_500_000
"""A photograph is matted at this size at most, and its alpha enlarged."""
EPSILON: Final = 1e-4
"""Of the guided filter: colours of 0..1 that vary by a hundredth are an edge. Measured on 6 portraits of P3M: SAD 27.9
with it, 29.4 with ten times, 32.9 with a hundred times as much; 31.2 without the filter."""
LEAST_RADIUS_PX: Final = 4
SUBSAMPLE: Final = 4
"""A radius is divided by at most this much where the filter is subsampled: He and Sun 2015 take a quarter."""
NO_EDGE: Final = "the model is sure of no part of the person, or of the background, to start from"
UNREFINED: Final = "the edge was not refined"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predicted:
    """What a model says of an image, at its size: the probability of person, (h, w) in 0..1, and of a model of three
    classes that of background too."""

    probability: Probability
    background: Probability | None = None


def edged_alpha(
    image: Image, predicted: Predicted, *, model: ReadyModel, edge: Edge, file: str = ""
) -> tuple[Alpha, tuple[str, ...]]:
    """Return the alpha (h, w) of the person in an image (h, w, 3), and notes where an edge could not be refined.

    The alpha of a model that gives one is taken as it is; a probability gets a steeper edge, and nothing far from the
    person. A model of three classes is always matted: its person ends where the edge begins.
    """
    is_trimap = model.card.is_trimap
    probability = predicted.probability
    alpha = np.asarray(np.rint(probability * 255), np.uint8) if model.gives_alpha else alpha_of(probability)
    if edge == "matting" or is_trimap:
        return _matted(image, alpha=alpha, predicted=predicted, model=model, file=file)
    return (alpha if edge == "none" else guided_alpha(image, alpha=alpha, input_size=model.card.input_size)), ()


def refuse_edge(edge: Edge, *, model: ReadyModel) -> None:
    """Raise ConfigurationProblem for a guided filter on a model of three classes, of which none is an alpha."""
    if edge == "guided" and model.card.is_trimap:
        raise ConfigurationProblem(
            "--edge guided needs a model that predicts a person, and this one predicts a trimap",
            remedy="give --edge matting",
        )


def guided_alpha(image: Image, *, alpha: Alpha, input_size: tuple[int, int]) -> Alpha:
    """Return an alpha (h, w) filtered with its image as the guide, over as far as the network's outline may be off."""
    coarse = max(alpha.shape[0] / input_size[0], alpha.shape[1] / input_size[1])
    radius = max(LEAST_RADIUS_PX, round(NETWORK_PIXELS * coarse))
    subsample = max(1, min(SUBSAMPLE, radius // LEAST_RADIUS_PX))
    plane = alpha.astype(np.float32) / np.float32(255)
    found = guided_filter(plane, guide=image, radius=radius, epsilon=EPSILON, subsample=subsample)
    return np.asarray(np.rint(found * 255), np.uint8)


def _matted(
    image: Image, *, alpha: Alpha, predicted: Predicted, model: ReadyModel, file: str
) -> tuple[Alpha, tuple[str, ...]]:
    """Return the matte of the band around what a model predicts, or of what a model of three classes calls unknown.

    `alpha` is what the prediction gives without matting. It is returned, with a note, where no matte can be made, or
    where one would lose a part of the person.
    """
    height, width = image.shape[:2]
    scale = min(1.0, (REFINED_PIXELS / (height * width)) ** 0.5)
    small: Any = image
    probability, background = predicted.probability, predicted.background
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = resized(image, size=size[::-1])
        probability = _shrunk(probability, size=size)
        background = None if background is None else _shrunk(background, size=size)
    trimap = _trimap(probability, background=background, model=model)
    try:
        found = matte(small, trimap=trimap, file=file)
    except BadRecord as problem:
        reason = NO_EDGE if problem.code is Code.TRIMAP else problem.reason  # nobody gave a trimap
        return alpha, (f"{UNREFINED}: {reason}",)
    if loses_a_part(found, mask=mask_of(probability, specks=False)):
        return alpha, (f"{UNREFINED}: a part of the person would be taken for the background",)
    if found.shape == (height, width):
        return found, ()
    sure = cv2.resize(trimap, (width, height), interpolation=cv2.INTER_NEAREST)
    matted = np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.where(sure == UNKNOWN, matted, sure), ()


def _trimap(probability: Probability, *, background: Probability | None, model: ReadyModel) -> Trimap:
    if background is not None:
        return trimap_of_classes(background, person=probability)
    return trimap_of(probability, input_size=model.card.input_size)


def _shrunk(plane: Probability, *, size: tuple[int, int]) -> Probability:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
