"""In what way a wrong label is wrong, as far as its difference from a predicted mask tells."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Mask

ErrorKind: TypeAlias = Literal[
    "shifted", "missing_part", "eroded", "wrong_person", "filled_hole", "dilated", "extra_part", "other"
]
"""`shifted`: moved as a whole, the label fits. `wrong_person`: much of it is not of the person that is seen, and much
of that person is missing. `missing_part`: a part of the person is missing. `eroded`: it is too small all round.
`filled_hole`: a hole or gap of the person is filled. `dilated`: it is too large all round. `extra_part`: something is
in it that is not of the person. `other`: none of these alone."""
SIDE_PX: Final = 128
"""Of the square in which moved labels are compared."""
FITS: Final = 0.75
"""IoU from which on a label that is moved fits,"""
GAINS: Final = 0.15
"""and so much more than where it lies."""
ALIEN: Final = 0.6
"""A label with an IoU below this, which lacks as well as it adds, is of another person."""
ONE_SIDED: Final = 3.0
"""So many times as much is missing as is too much, or the other way round: the error is of one kind."""
ALL_ROUND: Final = 0.85
"""Share of the outline along which something is missing or too much: it is so all round."""
ENCLOSED: Final = 0.75
"""Share of what is too much that lies in holes and gaps of the person."""
GAP: Final = 0.6
"""Of the person's side: a gap is at most so wide."""
NEAR: Final = 0.04
"""Of the person's side: what is missing or too much all round is so near to the outline."""

Where = NDArray[np.bool_]


def error_kind(label: Mask, *, person: Mask) -> ErrorKind:
    """Return in what way a label (h, w) differs from the `person` (h, w) that is seen, both 0 and 255.

    The rules are ours; `tests.bench deep_verdicts` counts how often they name the error that was planted.

    >>> person = np.zeros((60, 60), np.uint8)
    >>> person[10:50, 20:40] = 255
    >>> cut, grown = person.copy(), cv2.dilate(person, np.ones((9, 9), np.uint8))
    >>> cut[30:] = 0
    >>> [error_kind(one, person=person) for one in (cut, grown, np.roll(person, 12, axis=1))]
    ['missing_part', 'dilated', 'shifted']
    """
    is_label, is_person = label > 0, person > 0
    if not is_label.any() or not is_person.any():
        return "other"
    iou = (is_label & is_person).sum() / (is_label | is_person).sum()
    moved = _best_moved(label, person=person)
    if moved >= FITS and moved > iou + GAINS:
        return "shifted"
    lacks, adds = is_person & ~is_label, is_label & ~is_person
    missing, extra = int(lacks.sum()), int(adds.sum())
    if missing > ONE_SIDED * extra:
        return "eroded" if _all_round(lacks, inside=is_person) > ALL_ROUND else "missing_part"
    if extra > ONE_SIDED * missing:
        if (adds & _gaps(is_person)).sum() > ENCLOSED * extra:
            return "filled_hole"
        return "dilated" if _all_round(adds, inside=~is_person) > ALL_ROUND else "extra_part"
    return "wrong_person" if iou < ALIEN else "other"


def _best_moved(label: Mask, *, person: Mask) -> float:
    """Return the highest IoU of a label with the person wherever it is moved; what leaves the frame counts in neither.

    The overlaps of all moves come from one product of Fourier transforms.
    """
    first, second = (
        np.asarray(cv2.resize(one, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.float64) / 255
        for one in (label, person)
    )
    size = (2 * SIDE_PX, 2 * SIDE_PX)
    whole = np.pad(np.ones((SIDE_PX, SIDE_PX)), ((0, SIDE_PX), (0, SIDE_PX)))

    def overlaps(moving: NDArray[np.float64], staying: NDArray[np.float64]) -> NDArray[np.float64]:
        product = np.conj(np.fft.rfft2(moving, size)) * np.fft.rfft2(staying, size)
        return np.asarray(np.fft.irfft2(product, size))

    both, moved = overlaps(first, second), overlaps(first, whole)
    kept = moved > first.sum() / 2  # at least half of the label stays in the frame
    union = moved + second.sum() - both
    return float((both / np.maximum(union, 1.0))[kept].max())


def _all_round(where: Where, *, inside: Where) -> float:
    """Return the share of the outline, seen from the side `inside`, near which something is wrong."""
    near = max(1, round(NEAR * float(np.sqrt(min(inside.sum(), (~inside).sum())))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * near + 1, 2 * near + 1))
    shrunk = cv2.erode(inside.view(np.uint8), disc, borderType=cv2.BORDER_REPLICATE)
    rim = inside & (shrunk == 0)
    return float((where & rim).sum() / max(1, rim.sum()))


def _gaps(is_person: Where) -> Where:
    """Return holes of a person, and what lies between parts of it."""
    size = max(3, round(GAP * float(np.sqrt(is_person.sum()))) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray((cv2.morphologyEx(is_person.view(np.uint8), cv2.MORPH_CLOSE, disc) > 0) & ~is_person)
