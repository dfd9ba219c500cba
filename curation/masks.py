"""Masks and alphas as arrays: from soft to hard, how much of the frame is person, and whether there is one."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from curation.pixels import Alpha, Mask
from curation.quarantine import BadRecord, Code

ALPHA_THRESHOLD: Final = 50
"""A pixel is person where alpha (0..255) is above this; the value of the article on the AiFenGe data."""
MIN_COVERAGE: Final = 0.001
MAX_COVERAGE: Final = 0.99
"""A portrait covers neither less than 0.1 % nor more than 99 % of its frame; such an alpha is a failed cut-out."""
SPECKS_HINT: Final = "draw the person; where the image shows nobody, a mask of 0 alone says so"
FULL_HINT: Final = (
    "the mask holds no background: draw the person's outline, and look whether person and background are swapped"
)


def mask_from_alpha(alpha: Alpha, *, threshold: int = ALPHA_THRESHOLD) -> Mask:
    """Give 255 where alpha is above the threshold (0..254), 0 elsewhere. Polarity is never turned over.

    >>> mask_from_alpha(np.array([[0, 50, 51, 255]], dtype=np.uint8)).tolist()
    [[0, 0, 255, 255]]
    """
    return np.asarray(cv2.threshold(alpha, threshold, 255, cv2.THRESH_BINARY)[1], dtype=np.uint8)


def person_area(mask: Mask) -> float:
    """Give the share of the frame, 0..1, that is person. A mask without pixels has none.

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
