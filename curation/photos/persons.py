"""Persons beside each other in one alpha, and those of them that are wanted."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha
from curation.labels.masks import SMALLEST_PART, mask_of
from curation.quarantine import BadRecord, Code

Wanted: TypeAlias = Literal["largest", "all"] | int
"""Of several persons: the largest, all, or by number from left to right, of which the first is 1."""
APART_HINT: Final = "give a smaller --person; persons who touch each other count as one"


def with_persons(alpha: Alpha, *, wanted: Wanted, file: str = "") -> Alpha:
    """Return an alpha (h, w) that keeps only the persons that are wanted, with whatever is nearest to them.

    A person is a connected part of the mask; parts that are smaller than `SMALLEST_PART` of the largest are none. An
    alpha of nobody stays as it is. Raises BadRecord: UNSUITABLE, where there are not so many.

    >>> with_persons(np.array([[255, 99, 0, 0, 30, 255, 255]], np.uint8), wanted=2).tolist()
    [[0, 0, 0, 0, 30, 255, 255]]
    """
    if wanted == "all":
        return alpha
    number, labels, facts, middles = cv2.connectedComponentsWithStats(mask_of(alpha), connectivity=8)
    areas = facts[1:, cv2.CC_STAT_AREA]
    if number == 1:
        return alpha
    largest = 1 + int(areas.argmax())
    parts = [one for one in range(1, number) if areas[one - 1] >= SMALLEST_PART * areas[largest - 1]]
    parts.sort(key=lambda one: (middles[one][0], middles[one][1]))
    if isinstance(wanted, int) and not 1 <= wanted <= len(parts):
        reason = f"there are {len(parts)} persons apart from each other, and --person {wanted} is asked for"
        raise BadRecord(Code.UNSUITABLE, reason, file=file, hint=APART_HINT)
    chosen = largest if wanted == "largest" else parts[int(wanted) - 1]
    others = [one for one in parts if one != chosen]
    if not others:
        return alpha
    is_nearer = _distance(labels == chosen) <= _distance(np.isin(labels, others))
    return np.where(is_nearer, alpha, np.uint8(0))


def _distance(is_there: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance in pixels from each pixel (h, w) to the nearest that is there."""
    distance = cv2.distanceTransform((~is_there).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance, np.float32)
