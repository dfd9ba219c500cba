"""How a background fills a frame: scaled evenly and cropped, never stretched, and hardly ever mirrored."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from curation.images.pixels import Image
from curation.quarantine import BadRecord, Code

BACKGROUND_ZOOM: Final = 1.6
"""A background is enlarged by up to this much beyond what fills the frame, so that one image gives many."""
MOST_ENLARGED: Final = 2.5
"""A background is enlarged by no more than this to fill a frame: further, it is a blur of which nothing can be seen."""
MOST_MIRRORED: Final = 0.05
"""Of a side of the frame may be a mirror image of the background's edge. With more, rooms turn into kaleidoscopes."""


def covering(sizes: ArrayLike, *, frame: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which backgrounds of `sizes` (..., 2) fill a `frame` (height, width all) within the limits above.

    >>> covering([(480, 640), (240, 320)], frame=(800, 600)).tolist()
    [True, False]
    """
    wanted = (1 - MOST_MIRRORED) * np.array(frame, np.float64)
    return np.asarray((MOST_ENLARGED * np.asarray(sizes) >= wanted).all(axis=-1))


def background_for(image: Image, *, size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Return a part of a background as a frame of `size` (height, width), at a place that is drawn.

    Raises BadRecord: UNSUITABLE where it does not cover the frame (see `covering`).
    """
    height, width = size
    if not covering(image.shape[:2], frame=size):
        reason = f"{image.shape[1]} x {image.shape[0]} is too little to fill a frame of {width} x {height}"
        raise BadRecord(Code.UNSUITABLE, f"the background of {reason}", hint="take larger backgrounds")
    fill = max(height / image.shape[0], width / image.shape[1])
    zoom = fill * float(rng.uniform(1.0, BACKGROUND_ZOOM))
    scale = min(zoom, 1.0) if fill <= 1 else min(fill, MOST_ENLARGED)
    new = max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))
    scaled = cv2.resize(image, new[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    filled = _reflected(scaled.astype(np.uint8, copy=False), size=size)
    top = int(rng.integers(filled.shape[0] - height + 1))
    left = int(rng.integers(filled.shape[1] - width + 1))
    return np.ascontiguousarray(filled[top : top + height, left : left + width])


def _reflected(image: Image, *, size: tuple[int, int]) -> Image:
    """Mirror the little that lacks at the lower and the right edge; BORDER_REFLECT also does with one pixel."""
    missing = [max(0, wanted - have) for wanted, have in zip(size, image.shape[:2])]
    if missing == [0, 0]:
        return image
    edges: Any = cv2.copyMakeBorder(image, 0, missing[0], 0, missing[1], cv2.BORDER_REFLECT)
    return np.asarray(edges, dtype=np.uint8)
