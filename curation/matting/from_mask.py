"""From a mask to what matting starts from: a trimap, wide where hair is and narrow along shoulders, and a prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from curation.images.faces import Face
from curation.images.pixels import Mask
from curation.labels.trimaps import UNKNOWN, Trimap, trimap_from_mask
from curation.matting.closed_form import Prior
from curation.matting.composite import soft_alpha
from curation.matting.matte import band_px

WHERE_NO_FACE: Final = 0.7
"""Width of the band where nothing tells hair from shoulders, as a share of `band_px`. Measured with the other numbers
here by `python -m tests.bench mattes`: wider bands lose more along clothes than they gain in hair."""
BESIDE_HEADS: Final = 0.5
"""The same, outside of the heads that faces show; within them it is as wide as `band_px`."""
SOFTNESS: Final = 1 / 800
"""How soft an outline is expected to be: sigma, as a share of the longer side."""
LEAST_SOFTNESS_PX: Final = 0.7
WEIGHT: Final = 0.03
"""Of the prior. With a third of it, and with three times as much, alphas are worse."""
ABOVE_CHIN: Final = 2.7
BESIDE_NOSE: Final = 1.5
"""How far a head with its hair reaches from the chin up, and from the middle of the face to a side, in distances from
the chin to between the eyes. Conventions."""
NARROWEST_PX: Final = 3
"""A smaller ellipse leaves no band on both sides of an outline."""


def matting_trimap(mask: Mask, *, kernel: int | None = None, faces: Sequence[Face] = ()) -> Trimap:
    """Return the trimap of a mask (h, w) with a band for matting: `kernel` pixels wide, or in proportion to the person.

    In proportion, it is wider around the heads of `faces` than elsewhere, and between both where there is no face.

    >>> matting_trimap(np.repeat(np.array([[0, 255]], np.uint8), 8, axis=1), kernel=6).tolist()
    [[0, 0, 0, 0, 0, 0, 128, 128, 128, 128, 128, 255, 255, 255, 255, 255]]
    """
    if kernel is not None:
        return trimap_from_mask(mask, kernel=kernel)
    width = band_px(mask)
    if not faces:
        return trimap_from_mask(mask, kernel=_px(WHERE_NO_FACE * width))
    trimap = trimap_from_mask(mask, kernel=_px(BESIDE_HEADS * width))
    wide = trimap_from_mask(mask, kernel=width)
    trimap[(wide == UNKNOWN) & (_heads(faces, shape=mask.shape) > 0)] = UNKNOWN
    return trimap


def prior_of_mask(mask: Mask) -> Prior:
    """Return what is expected of the alpha of a mask (h, w): a slightly soft edge along its outline."""
    sigma = max(LEAST_SOFTNESS_PX, SOFTNESS * max(mask.shape))
    return Prior(alpha=soft_alpha(mask, sigma_px=sigma), weight=WEIGHT)


def _px(width: float) -> int:
    return max(NARROWEST_PX, round(width))


def _heads(faces: Sequence[Face], *, shape: tuple[int, ...]) -> Mask:
    """Return 255 where heads with their hair may be, (h, w): a box that stands on each chin and leans with its face."""
    heads = np.zeros(shape, np.uint8)
    for face in faces:
        chin = np.array(face.chin)
        up = np.array(face.between_eyes) - chin
        aside = BESIDE_NOSE * np.array([-up[1], up[0]])
        top = chin + ABOVE_CHIN * up
        corners = np.rint([chin - aside, chin + aside, top + aside, top - aside]).astype(np.int32)
        cv2.fillConvexPoly(heads, corners, 255)
    return heads
