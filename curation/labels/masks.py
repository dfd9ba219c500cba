"""Masks and alphas as arrays: from soft to hard, how much of the frame is person, and whether there is one."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from curation.images.pixels import Alpha, Mask, Probability
from curation.quarantine import BadRecord, Code

ALPHA_THRESHOLD: Final = 50
"""A pixel is person where alpha (0..255) is above this; the value of the article on the AiFenGe data."""
HALF: Final = 127
"""Above it, more than half of a pixel is of the person."""
PERSON_FROM: Final = 0.5
"""The same of a probability."""
SMALLEST_PART: Final = 0.1
"""A part of a prediction that is smaller, as a share of the largest, is no person but a mistake."""
MIN_COVERAGE: Final = 0.001
MAX_COVERAGE: Final = 0.99
"""A portrait covers neither less than 0.1 % nor more than 99 % of its frame; such an alpha is a failed cut-out.

Conventions of this project."""
SPECKS_HINT: Final = "draw the person; where the image shows nobody, a mask of 0 alone says so"
FULL_HINT: Final = (
    "the mask holds no background: draw the person's outline, and look whether person and background are swapped"
)


def mask_of(soft: Alpha | Probability, *, threshold: int = HALF, specks: bool = True) -> Mask:
    """Return 255 where an alpha (h, w) uint8 is above `threshold` (0..254), 0 elsewhere. Polarity is never turned over.

    A probability (h, w) float32 in 0..1 gives the mask that 255 times it, rounded, as it is stored, would give: at
    `HALF`, person is what has 0.5 or more. Without `specks`, connected parts smaller than `SMALLEST_PART` of the
    largest are background.

    >>> mask_of(np.array([[0, 127, 128, 255]], dtype=np.uint8)).tolist()
    [[0, 0, 255, 255]]
    >>> mask_of(np.array([[0.2, 0.5, 0.9]], dtype=np.float32)).tolist()
    [[0, 255, 255]]
    """
    if soft.dtype == np.uint8:
        mask = np.asarray(cv2.threshold(soft, threshold, 255, cv2.THRESH_BINARY)[1], np.uint8)
    else:
        mask = (soft >= (threshold + 0.5) / 255).view(np.uint8) * np.uint8(255)
    return mask if specks else _without_specks(mask)


def _without_specks(mask: Mask) -> Mask:
    _, labels, facts, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = facts[:, cv2.CC_STAT_AREA]
    areas[0] = 0
    is_kept = areas >= max(1, SMALLEST_PART * areas.max())
    return np.asarray(np.where(is_kept, np.uint8(255), np.uint8(0))[labels], np.uint8)


def person_area(mask: Mask) -> float:
    """Return the share of the frame, 0..1, that is person. A mask without pixels has none.

    >>> person_area(np.array([[0, 255], [0, 0]], dtype=np.uint8))
    0.25
    """
    return int(np.count_nonzero(mask)) / mask.size if mask.size else 0.0


def check_alpha(alpha: Alpha, *, file: str, threshold: int = ALPHA_THRESHOLD) -> None:
    """Refuse an alpha that shows no person, or nothing else; coverage is the share above the threshold.

    Raises BadRecord: EMPTY_ALPHA, FULL_ALPHA.
    """
    covered = int(np.count_nonzero(alpha > threshold))
    what = f"{covered:,} of {alpha.size:,} pixels ({covered / alpha.size:.2%}) are above alpha {threshold}"
    _check_coverage(covered / alpha.size, reason=what, file=file, hints=("", ""))


def check_mask(mask: Mask, *, file: str) -> None:
    """Refuse a mask that holds hardly a person, or nothing else.

    Raises BadRecord: EMPTY_ALPHA, FULL_ALPHA.
    """
    covered = int(np.count_nonzero(mask))
    reason = f"{covered:,} of {mask.size:,} pixels ({covered / mask.size:.2%}) of the mask are of a person"
    _check_coverage(covered / mask.size, reason=reason, file=file, hints=(SPECKS_HINT, FULL_HINT))


def _check_coverage(coverage: float, *, reason: str, file: str, hints: tuple[str, str]) -> None:
    if coverage < MIN_COVERAGE:
        raise BadRecord(Code.EMPTY_ALPHA, reason, file=file, value=coverage, hint=hints[0])
    if coverage > MAX_COVERAGE:
        raise BadRecord(Code.FULL_ALPHA, reason, file=file, value=coverage, hint=hints[1])
