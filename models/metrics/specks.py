"""Specks: small parts of a prediction away from the person, and small holes in it: signs of a model that is unsure."""

from __future__ import annotations

from typing import Final

from curation.images.pixels import Mask
from models.metrics.parts import connected_parts

SPECK_SHARE: Final = 0.05
"""Of the largest part: what is smaller is no second person. A convention."""


def specks(mask: Mask) -> float:
    """Return the share, 0..1, of a mask (h, w) of 0 and 255 that is specks and small holes, of all its person pixels.

    A speck is a connected part smaller than `SPECK_SHARE` of the largest, a small hole is surrounded background as
    small as that. 0 where nobody is found.

    >>> import numpy as np
    >>> mask = np.zeros((9, 9), np.uint8)
    >>> mask[:5, :8] = 255
    >>> mask[8, 8], mask[2, 2] = 255, 0
    >>> specks(mask)
    0.05
    """
    parts = connected_parts(mask)
    person = parts.area[parts.is_person]
    if not person.size:
        return 0.0
    small = SPECK_SHARE * person.max()
    surrounded = parts.area[~parts.is_person & ~parts.touches_frame]
    lost = sum(int(areas[areas < small].sum()) for areas in (person, surrounded))
    return min(1.0, lost / int(person.sum()))
