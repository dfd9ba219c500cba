"""Specks: small parts of a prediction away from the person, and small holes in it: signs of a model that guesses."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from curation.pixels import Mask

SPECK_SHARE: Final = 0.05
"""Of the largest part: what is smaller is no second person."""


def specks(mask: Mask) -> float:
    """Give the share, 0..1, of a mask (h, w) of 0 and 255 that is specks and small holes, of all its person pixels.

    A speck is a connected part smaller than `SPECK_SHARE` of the largest, a small hole is surrounded background as
    small as that. 0 where nobody is found.

    >>> mask = np.zeros((9, 9), np.uint8)
    >>> mask[:5, :8] = 255
    >>> mask[8, 8], mask[2, 2] = 255, 0
    >>> specks(mask)
    0.05
    """
    parts = _sizes(mask)
    if not parts:
        return 0.0
    small = SPECK_SHARE * max(parts)
    inside = _sizes(cv2.bitwise_not(mask), surrounded=True)
    lost = sum(size for size in parts if size < small) + sum(size for size in inside if size < small)
    return min(1.0, lost / sum(parts))


def _sizes(mask: Mask | cv2.typing.MatLike, *, surrounded: bool = False) -> list[int]:
    """Give the areas of the connected parts of a mask; with `surrounded`, of those that do not touch the frame."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(np.asarray(mask, np.uint8), connectivity=4)
    height, width = mask.shape[:2]
    found = []
    for x, y, w, h, area in stats[1:].tolist():
        touches = x == 0 or y == 0 or x + w == width or y + h == height
        if not (surrounded and touches):
            found.append(area)
    return found
