"""Holes: background that a person surrounds, such as the gap between arm and body. Networks like to fill them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Mask
from models.metrics.parts import connected_parts

MIN_HOLE_SHARE: Final = 0.0005
"""Of the frame: 15 x 15 pixels in 600 x 800. Of 3,197 holes in 200 real portraits 73 are as large, on 51 images; they
hold three quarters of all hole pixels. The others are speckles between hairs."""


def label_holes(truth: Mask) -> Mask:
    """Return 255 in the holes of a label (h, w) of 0 and 255.

    A hole is background, connected through the sides of pixels, that does not reach the edge of the frame and covers
    at least `MIN_HOLE_SHARE` of it.

    >>> ring = np.full((5, 5), 255, np.uint8)
    >>> ring[2, 2] = ring[0, 0] = 0
    >>> np.argwhere(label_holes(ring)).tolist()
    [[2, 2]]
    """
    parts = connected_parts(truth)
    return parts.drawn(~parts.is_person & ~parts.touches_frame & (parts.area >= MIN_HOLE_SHARE * truth.size))


def hole_recall(prediction: Mask, *, holes: Mask, valid: NDArray[np.bool_] | None = None) -> float | None:
    """Return the share, 0..1, of the valid pixels in holes of the label that a predicted mask leaves as background.

    All are (h, w), masks of 0 and 255. Large holes count for as much as they cover. None where the label has no hole.

    >>> hole_recall(np.uint8([[255, 0, 0]]), holes=np.uint8([[255, 255, 0]]))
    0.5
    """
    where = holes > 0 if valid is None else (holes > 0) & valid
    total = int(np.count_nonzero(where))
    return int(np.count_nonzero(where & (prediction == 0))) / total if total else None
