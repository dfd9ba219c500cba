"""Where the head is in a cut-out, from the widths of its rows: no face is looked for, only an outline.

The ratios below are conventions, not from a paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Alpha

SOLID: Final = 127
NARROWER: Final = 0.85
"""A row begins the neck where it is narrower than this share of the widest row of the head."""
WIDER: Final = 1.2
"""The neck ends where a row is this much wider than its narrowest."""
CHIN: Final = 0.93
"""From the crown to the neck's narrowest row, so much is head: the jaw ends a little above it."""
LONGER_THAN_WIDE: Final = 1.35
"""Height of a head from crown to chin, hair included, as a multiple of its width."""
LIKELY: Final = (0.95, 1.9)
"""Height of a head over its width; beyond, something else was taken for a neck."""
SHOULDERS: Final = 1.2
"""How much wider than the head a person is within one height of the head below the neck; hips and legs are not."""
RIM: Final = 0.04
"""Width of the soft rim around a hole, as a share of the head's height."""
SMOOTHED: Final = 0.02
"""Rows that are averaged, as a share of the person's height, so that strands of hair do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head in pixels: first row, row of the chin, and column of its middle.

    `is_sure` is False where no neck was seen, say behind long hair, and the height follows from the width.
    """

    crown: int
    chin: int
    middle: float
    is_sure: bool

    @property
    def height(self) -> int:
        """Pixels from crown to chin."""
        return self.chin - self.crown


def find_head(alpha: Alpha) -> Head | None:
    """Return the head of the largest person of an alpha (h, w); None where there is no person."""
    solid = _largest(alpha)
    rows = np.flatnonzero(solid.any(axis=1))
    if not len(rows):
        return None
    crown = int(rows[0])
    widths = _smooth(_widths(solid[crown : int(rows[-1]) + 1]))
    neck = _neck(widths)
    if neck is not None:
        height, width = round(CHIN * neck), float(widths[:neck].max())
        is_over_shoulders = widths[neck : 2 * neck].max() >= SHOULDERS * width
        if is_over_shoulders and LIKELY[0] <= height / width <= LIKELY[1]:
            return _head(solid, crown=crown, height=height, is_sure=True)
    return _head(solid, crown=crown, height=_height_by_width(widths), is_sure=False)


def _largest(alpha: Alpha) -> NDArray[np.bool_]:
    number, labels, facts, _ = cv2.connectedComponentsWithStats(np.asarray(alpha > SOLID, np.uint8), connectivity=4)
    if number == 1:
        return np.zeros(alpha.shape, np.bool_)
    return np.asarray(labels == 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax()), np.bool_)


def without_holes(alpha: Alpha, *, head: Head) -> Alpha:
    """Return the alpha with the holes inside of the head filled: light on hair or forehead that was taken for
    background.

    Holes further down stay: between an arm and the body there is one in truth.
    """
    number, labels, facts, _ = cv2.connectedComponentsWithStats(np.asarray(alpha <= SOLID, np.uint8), connectivity=4)
    holes = np.zeros(number, np.uint8)
    for one in range(1, number):
        left, top, width, height, _ = (int(fact) for fact in facts[one])
        is_enclosed = left > 0 and left + width < alpha.shape[1]
        holes[one] = is_enclosed and head.crown < top and top + height <= head.chin
    if not holes.any():
        return alpha
    side = 2 * max(1, round(RIM * head.height)) + 1
    grown = cv2.dilate(holes[labels], cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    inside = cv2.erode(np.asarray((alpha > SOLID) | (holes[labels] > 0), np.uint8), np.ones((3, 3), np.uint8))
    filled = np.array(alpha)
    filled[(grown > 0) & (inside > 0)] = 255
    return filled


def _widths(solid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the number of person pixels of each row of (h, w): (h,)."""
    return np.asarray(solid.sum(axis=1), np.float64)


def _smooth(widths: NDArray[np.float64]) -> NDArray[np.float64]:
    size = max(1, round(SMOOTHED * len(widths)))
    padded = np.pad(widths, (size // 2, size - 1 - size // 2), mode="edge")
    smoothed: NDArray[np.float64] = np.convolve(padded, np.full(size, 1 / size), mode="valid")
    return smoothed


def _neck(widths: NDArray[np.float64]) -> int | None:
    """Return the narrowest row of widths (h,) in pixels, below the widest part of the head and above shoulders."""
    widest, narrowest = 0.0, None
    for row, width in enumerate(widths):
        if narrowest is None:
            widest = max(widest, width)
            if width < NARROWER * widest:
                narrowest = row
        elif width < widths[narrowest]:
            narrowest = row
        elif width > WIDER * widths[narrowest]:
            return narrowest
    return None


def _height_by_width(widths: NDArray[np.float64]) -> int:
    """Return the height in pixels of a head whose half height and width, of widths (h,), fit one another."""
    half = np.arange(len(widths)) * 2 / LONGER_THAN_WIDE
    fitting = np.flatnonzero(half >= widths)
    width = widths[fitting[0]] if len(fitting) else widths.max()
    return max(1, min(len(widths), round(LONGER_THAN_WIDE * float(width))))


def _head(solid: NDArray[np.bool_], *, crown: int, height: int, is_sure: bool) -> Head:
    columns = np.flatnonzero(solid[crown : crown + max(1, height)].any(axis=0))
    weights = solid[crown : crown + max(1, height)].sum(axis=0)[columns]
    middle = float((columns * weights).sum() / weights.sum()) + 0.5
    return Head(crown=crown, chin=crown + max(1, height), middle=middle, is_sure=is_sure)
