"""How often each of the 256 levels of a stored prediction occurs, here and there: what most scores are made of.

One pass over the pixels counts for all of them: for two or three classes at once it takes no longer than for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Gray, Mask

LEVELS: Final = 256
EXACT_PIXELS: Final = 1 << 24
"""OpenCV gives counts as float32, which holds no larger number exactly."""

Counts: TypeAlias = NDArray[np.int64]
"""(256,): how many pixels have each level."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LevelCounts:
    """Counts of levels: `everywhere`, where `chosen`, and `given`: of the probability of what the label says, over the
    pixels that are valid, None without a label."""

    everywhere: Counts
    chosen: Counts
    given: Counts | None


def count_levels(
    stored: Gray, *, chosen: Mask, truth: Mask | None = None, valid: NDArray[np.bool_] | None = None
) -> LevelCounts:
    """Count the levels of a prediction (h, w); `chosen` and the label `truth` are masks (h, w) of 0 and 255.

    >>> stored, label = np.uint8([[255, 10]]), np.uint8([[255, 0]])
    >>> found = count_levels(stored, chosen=label, truth=label)
    >>> found.chosen.nonzero()[0], found.given.nonzero()[0]
    (array([255]), array([245, 255]))
    """
    classes = chosen & np.uint8(1)
    if truth is not None:
        classes |= truth & np.uint8(2)
    if valid is not None:
        classes |= valid.view(np.uint8) * np.uint8(4)
    counts = _joint(stored, classes=classes).reshape(LEVELS, 2, 2, 2)  # level, valid, label, chosen
    levels = counts.sum(axis=(1, 2, 3))
    counted = counts.sum(axis=(1, 3)) if valid is None else counts[:, 1].sum(axis=2)
    return LevelCounts(
        everywhere=levels,
        chosen=counts[..., 1].sum(axis=(1, 2)),
        given=None if truth is None else counted[:, 1] + counted[::-1, 0],
    )


def _joint(stored: Gray, *, classes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the pixels by level and by one of 8 classes: (256, 8)."""
    height, width = stored.shape
    found = np.zeros((LEVELS, 8), np.int64)
    step = max(1, EXACT_PIXELS // width)
    for y in range(0, height, step):
        pictures = [stored[y : y + step], classes[y : y + step]]
        found += cv2.calcHist(pictures, [0, 1], None, [LEVELS, 8], [0, LEVELS, 0, 8]).astype(np.int64)
    return found
