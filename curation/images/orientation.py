"""EXIF orientation: pixels as they lie in a file, turned to how they are displayed."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from curation.images.header import SIDEWAYS

Value = TypeVar("Value", bound=np.generic)


def turned(stored: NDArray[Value], *, orientation: int) -> NDArray[Value]:
    """Return pixels (height, width, ...) as displayed, from pixels as stored and their orientation 1..8.

    Source: EXIF 2.32, section 4.6.4, tag 0x0112.

    >>> turned(np.array([[1, 2, 3]]), orientation=6).tolist()
    [[1], [2], [3]]
    """
    if orientation == 1:
        return np.ascontiguousarray(stored)
    if orientation >= SIDEWAYS:
        stored = stored.swapaxes(0, 1)
    is_upside_down, is_mirrored = orientation in {3, 4, 7, 8}, orientation in {2, 3, 6, 7}
    return np.ascontiguousarray(stored[:: -1 if is_upside_down else 1, :: -1 if is_mirrored else 1])
