"""Whether values can be an alpha at all: class numbers, trimaps and other scales are refused, whatever the threshold.

Measured: 8 real mattes (P3M, AiFenGe) have 256 values each, and at most 2 % of their partly opaque pixels lie amid
pixels of the same value; brought to 16 levels at most 5 %, to 4 levels at most 27 %. Of the partly opaque pixels of
real class maps (CCP) 94 % do, of trimaps with a band of 5 pixels 44 %.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.quarantine import BadRecord, Code

UNUSED_FROM_BIT: Final = 14
"""Of 16 bits; files that hold 8, 10, 12 or 14 bits have their highest value below it."""
PERCENT: Final = 100
"""Where an alpha of 8 bits ends that was saved in percent."""
SMALL: Final = 63
"""A quarter of the scale: class numbers, fractions, 5 and 6 bits end below it, and no person is so faint."""
OPAQUE: Final = 250
"""Some tools write no 255; from here on a pixel counts as wholly opaque."""
FEW: Final = 64
"""An anti-aliased edge of any length, and smoke, has more different values."""
FLAT: Final = 0.35
"""Share of the partly opaque pixels that lie amid pixels of the same value; see the figures above."""
SHOWN: Final = 8

TO_MASKS: Final = "255 where the person is and 0 elsewhere, and read the folder as masks (`curate pairs --masks`)"
CLASSES_HINT: Final = f"these are class numbers, not opacities; write {TO_MASKS}"
MASK_HINT: Final = f"this is a mask on a scale of its own; write {TO_MASKS}"
TRIMAP_HINT: Final = "this is a trimap; `curate matte IMAGE --trimap FILE --out ALPHA` makes an alpha of it"


def check_scale(alpha: NDArray[np.uint8], *, stored: NDArray[Any], file: str) -> None:
    """Refuse an alpha (height, width) on 0..255 whose values, or those that are `stored`, 8 or 16 bits, can be none.

    Hard alphas of 0 and 255, and soft ones of many values that nowhere reach 255, are sound.
    Raises BadRecord: ALPHA_SCALE.
    """
    highest = int(stored.max())
    counts = np.asarray(cv2.calcHist([alpha], [0], None, [256], [0, 256])).ravel()
    values: list[int] = np.flatnonzero(counts).tolist()
    if stored.dtype != np.uint8 and 0 < highest < 1 << UNUSED_FROM_BIT:
        raise _refused(f"the highest value is {highest}, in a file of 16 bits", value=highest, file=file)
    if stored.dtype == np.uint8 and highest == PERCENT:
        raise _refused(f"the highest value is {highest}, as of a percentage", value=highest, file=file)
    if not any(0 < value < OPAQUE for value in values):
        return
    is_flat = len(values) <= FEW and _flat_share(alpha) >= FLAT
    if is_flat or highest <= SMALL:
        shown = ", ".join(map(str, values[:SHOWN])) + (f" and {len(values) - SHOWN} more" * (len(values) > SHOWN))
        reason = f"the only values are {shown}: no alpha has so few, and these in areas"
        if not is_flat:
            reason = f"the highest value is {highest} of 255"
        raise _refused(reason, value=highest, file=file, hint=_hint(values) if is_flat else "")


def _flat_share(alpha: NDArray[np.uint8]) -> float:
    """Return the share of the partly opaque pixels of an alpha (h, w), 0..255, with 8 neighbours of the same value."""
    square = np.ones((3, 3), np.uint8)
    is_partial = (alpha > 0) & (alpha < OPAQUE)
    is_flat = np.asarray(cv2.dilate(alpha, square)) == np.asarray(cv2.erode(alpha, square))
    return float(np.count_nonzero(is_flat & is_partial) / np.count_nonzero(is_partial))


def _hint(values: list[int]) -> str:
    if values in ([0, 127, 255], [0, 128, 255]):
        return TRIMAP_HINT
    return MASK_HINT if len(values) <= 2 else CLASSES_HINT


def _refused(reason: str, *, value: int, file: str, hint: str = "") -> BadRecord:
    return BadRecord(Code.ALPHA_SCALE, reason, file=file, value=value, hint=hint)
