"""Whether a label's outline lies on edges of its image: the one witness that is no model.

Where models fail, on people who are far away or in the dark, a right label still runs along edges; a label that was
shifted, cut short, grown or drawn for another image leaves them over a long stretch.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.edges import edge_strength
from curation.images.pixels import Image, Mask

NEAR: Final = 0.04
"""Of the diagonal: edges this near to the outline are what it is compared with."""
STRONG: Final = 0.75
"""An edge is a pixel whose gradient is above this quantile of those near the outline,"""
NOISE: Final = 0.25
"""and above this share of the strongest there (its quantile 0.98), below which is noise."""
STRONGEST: Final = 0.98
LEAST_GRADIENT: Final = 1.0
"""Of Lab levels; where all is flat there is no edge."""
REACH_PX: Final = 1
"""An outline lies on an edge that is so near."""
STRETCH: Final = 0.1
"""Of the whole outline; what a stretch of it says is one number."""
WORST: Final = 0.1
"""The quantile of these numbers that counts."""
LEAST_PX: Final = 20
"""A shorter outline, of a speck, says nothing."""


def outline_support(image: Image, mask: Mask) -> float:
    """Return how much of the worst tenth of a mask's outline lies on an edge: 1 all, 0 nothing, and for no outline.

    `image` is (h, w, 3) RGB, `mask` (h, w) of 0 and 255. Where the frame cuts a person off, nothing is asked of it.

    >>> picture = np.zeros((60, 60, 3), np.uint8)
    >>> picture[20:50, 20:40] = 255
    >>> outline_support(picture, picture[:, :, 0]), outline_support(picture, np.roll(picture[:, :, 0], 12, axis=1))
    (1.0, 0.0)
    """
    person = (mask > 0).astype(np.uint8)
    found, _ = cv2.findContours(person, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    contours = [np.asarray(contour[:, 0], np.int32) for contour in found if len(contour) >= LEAST_PX]
    if not contours:
        return 0.0
    is_edge = _near_edges(edge_strength(image), person=person)
    on_edge = [_on_edge(contour, is_edge=is_edge) for contour in contours]
    length = max(1, round(STRETCH * sum(map(len, on_edge))))
    return float(np.quantile(np.concatenate([_stretches(one, length=length) for one in on_edge]), WORST))


def _near_edges(gradient: NDArray[np.float32], *, person: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which pixels lie within reach of an edge; `gradient` (h, w) is 0 or more, `person` (h, w) 0 or 1."""
    inside = np.asarray(cv2.distanceTransform(person, cv2.DIST_L2, 5), np.float32)
    outside = np.asarray(cv2.distanceTransform(1 - person, cv2.DIST_L2, 5), np.float32)
    near = np.maximum(inside, outside) <= max(4.0, NEAR * math.hypot(*person.shape))
    if not near.any():  # a mask of the whole frame, which has no outline but the frame
        return near
    strong, strongest = np.quantile(gradient[near], (STRONG, STRONGEST))
    least = max(float(strong), NOISE * float(strongest), LEAST_GRADIENT)
    square = np.ones((2 * REACH_PX + 1, 2 * REACH_PX + 1), np.uint8)
    return np.asarray(np.asarray(cv2.dilate(gradient, square)) >= least, np.bool_)


def _on_edge(contour: NDArray[np.int32], *, is_edge: NDArray[np.bool_]) -> NDArray[np.bool_]:
    x, y = contour.T
    height, width = is_edge.shape
    is_cut = (x <= 1) | (y <= 1) | (x >= width - 2) | (y >= height - 2)
    return np.asarray(is_edge[y, x] | is_cut, np.bool_)


def _stretches(on_edge: NDArray[np.bool_], *, length: int) -> NDArray[np.float64]:
    """Return the share on an edge of every stretch of a closed contour (n,), as (n,); of a shorter one, (1,)."""
    if len(on_edge) <= length:
        return np.array([on_edge.mean()])
    sums = np.cumsum(np.concatenate([[0], on_edge, on_edge[:length]]))
    return np.asarray((sums[length : length + len(on_edge)] - sums[: len(on_edge)]) / length, np.float64)
