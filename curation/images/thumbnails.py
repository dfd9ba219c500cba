"""Small pictures of samples: a thumbnail, and the outline of a mask as a vector path.

Everything is drawn again from pixels, so no metadata of the source (place, camera, embedded preview) comes along.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image, Mask, encode_webp

THUMBNAIL_PX: Final = 320
"""Longer side. Twice the usual width of a tile would be sharper on dense screens, at three times the bytes."""
WEBP_QUALITY: Final = 74
HALF: Final = 127


def thumbnail_size(size: tuple[int, int], *, longest: int = THUMBNAIL_PX) -> tuple[int, int]:
    """Return (height, width) scaled down so that the longer side is `longest` pixels; a small picture stays as it is.

    >>> thumbnail_size((800, 600))
    (320, 240)
    >>> thumbnail_size((20000, 10))
    (320, 1)
    """
    height, width = size
    scale = min(1.0, longest / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def thumbnail(image: Image, *, size: tuple[int, int]) -> bytes:
    """Return a photograph scaled to `size` (height, width) as WebP; about 10 KB at 320 pixels."""
    return encode_webp(scaled(image, size=size), quality=WEBP_QUALITY)


def outline_path(mask: Mask, *, size: tuple[int, int]) -> str:
    """Return the mask scaled to `size` (height, width) as the data of an SVG path, to be filled by the even-odd rule.

    Coordinates are centres of pixels, so the path lies half a pixel inside the area. An empty mask gives "".

    >>> outline_path(np.full((2, 3), 255, np.uint8), size=(2, 3))
    'M0 0l0 1 2 0 0 -1z'
    """
    contours, _ = cv2.findContours(small_mask(mask, size=size), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return "".join(_ring(contour.reshape(-1, 2).astype(np.int32)) for contour in contours)


def small_mask(mask: Mask, *, size: tuple[int, int]) -> Mask:
    """Return a mask of 0 and 255 scaled down to `size` (height, width), in which somebody who is there stays."""
    small = scaled(mask, size=size)
    # a person far away may average out to nothing; showing too much of it is better than hiding it
    return np.where(small > (HALF if (small > HALF).any() else 0), np.uint8(255), np.uint8(0))


def scaled(picture: NDArray[np.uint8], *, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture (h, w) or (h, w, 3), 0..255, at `size` (height, width), averaged over areas."""
    height, width = size
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _ring(points: NDArray[np.int32]) -> str:
    x, y = points[0].tolist()
    steps = np.diff(points, axis=0).ravel().tolist()
    return f"M{x} {y}l{' '.join(map(str, steps or (0, 0)))}z"
