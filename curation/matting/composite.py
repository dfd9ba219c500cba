"""Lay a person on a new background: the colours of the person in its soft edge, and one exact blend.

Where a person's edge is soft, a photograph shows a mixture of person and old background. Blending the photograph itself
carries the old background along (a halo); multiplying by alpha twice darkens the edge (a rim). So the person's own
colours are estimated first, and then alpha is applied once.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha, Image, Mask
from curation.matting.pymatting_door import estimated_foreground

BAND_MARGIN_PX = 32
"""Colours are estimated in the box around the soft edge, this much larger, so that sure pixels surround it."""
EDGE_SHARE: Final = 1 / 400
"""How soft the outline of a person is taken to be where only a mask is known: sigma, as a share of the longer side."""
EDGE_PX: Final = (0.7, 4.0)
"""Least and largest sigma of that softness, in pixels. A convention."""
RIM_SHARE: Final = 1 / 160
"""How far inside of a mask its photograph may still show the old background, as a share of the longer side."""


def composite(foreground: Image, *, alpha: Alpha, background: Image) -> Image:
    """Return `alpha * foreground + (1 - alpha) * background`, each value rounded exactly to the nearest integer.

    All three have the same height and width. With weights of 0..255 OpenCV's error in float32 stays under 1e-4 of a
    grey level, and no quotient by 255 lies nearer than 1/510 to the middle of two levels.
    Source: Porter and Duff 1984, "Compositing Digital Images", the operator `over` on an opaque background.

    >>> white, black = np.full((1, 1, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)
    >>> composite(white, alpha=np.array([[51]], np.uint8), background=black).tolist()
    [[[51, 51, 51]]]
    """
    weight = alpha.astype(np.float32)
    blended = cv2.blendLinear(foreground, background, weight, np.float32(255) - weight)
    return blended.astype(np.uint8, copy=False)


def person_colours(image: Image, *, alpha: Alpha) -> Image:
    """Return the image with the colours of the person alone in its soft edge; where alpha is 255 nothing changes.

    Just outside of the edge the colours go on as well, so that the result can be resized without the old background.
    Source: Germer et al. 2020, "Fast Multi-Level Foreground Estimation" (pymatting).
    """
    soft = (alpha > 0) & (alpha < 255)
    if not soft.any():
        return image
    box = _box_around(soft, margin=BAND_MARGIN_PX)
    part, part_alpha = image[box], alpha[box]
    colours = estimated_foreground(part.astype(np.float64) / 255, alpha=part_alpha.astype(np.float64) / 255)
    estimated = np.clip(np.rint(colours * 255), 0, 255).astype(np.uint8)
    result = image.copy()
    result[box] = np.where((part_alpha == 255)[:, :, None], part, estimated)
    return result


def colours_of_masked(image: Image, *, mask: Mask) -> Image:
    """Return the image with the person's own colours where only a mask is known: near the outline, colours from inside.

    Drawn masks run a little beyond the person, and nothing tells how soft its edge is.
    """
    radius = max(1, round(RIM_SHARE * max(mask.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    inner = cv2.GaussianBlur(cv2.erode(mask, kernel), (0, 0), radius / 2, borderType=cv2.BORDER_REPLICATE)
    return person_colours(image, alpha=np.asarray(inner, dtype=np.uint8))


def soft_alpha(mask: Mask, *, sigma_px: float | None = None) -> Alpha:
    """Return a slightly soft alpha for a person with only a mask; it is one half on the outline of the mask.

    `sigma_px` is the blur of the outline, where the photograph tells; else it follows from the size. It is for laying
    the person on a background, and no truth to learn matting from.
    """
    sigma = sigma_px or min(max(EDGE_PX[0], EDGE_SHARE * max(mask.shape)), EDGE_PX[1])
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), dtype=np.uint8)


def _box_around(mask: NDArray[np.bool_], *, margin: int) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )
