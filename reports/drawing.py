"""Small pictures of samples: a thumbnail, the outline of a mask as a vector path, gray tiles of alpha and trimap.

Everything is drawn anew from pixels, so no metadata of the source (place, camera, embedded preview) comes along.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.pixels import Alpha, Gray, Image, Mask, encode_gray, encode_webp

THUMBNAIL_PX: Final = 320
"""Longer side. Twice the usual width of a tile would be sharper on dense screens, at three times the bytes."""
WEBP_QUALITY: Final = 74
HALF: Final = 127


def thumbnail_size(size: tuple[int, int], *, longest: int = THUMBNAIL_PX) -> tuple[int, int]:
    """Give (height, width) scaled down so that the longer side is `longest` pixels; a small picture stays as it is.

    >>> thumbnail_size((800, 600))
    (320, 240)
    >>> thumbnail_size((20000, 10))
    (320, 1)
    """
    height, width = size
    scale = min(1.0, longest / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def thumbnail(image: Image, *, size: tuple[int, int]) -> bytes:
    """Give a photograph scaled to `size` (height, width) as WebP; about 10 KB at 320 pixels."""
    return encode_webp(_scaled(image, size=size), quality=WEBP_QUALITY)


def outline_path(mask: Mask, *, size: tuple[int, int]) -> str:
    """Give the mask scaled to `size` (height, width) as the data of an SVG path, to be filled by the even-odd rule.

    Coordinates are centres of pixels, so the path lies half a pixel inside the area. An empty mask gives "".

    >>> outline_path(np.full((2, 3), 255, np.uint8), size=(2, 3))
    'M0 0l0 1 2 0 0 -1z'
    """
    small = _scaled(mask, size=size)
    # a person far away may average out to nothing; showing too much of it is better than hiding it
    inside = small > (HALF if (small > HALF).any() else 0)
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return "".join(_ring(contour.reshape(-1, 2).astype(np.int32)) for contour in contours)


def error_paths(
    prediction: Gray, *, label: Mask, valid: NDArray[np.bool_] | None, size: tuple[int, int]
) -> tuple[str, str]:
    """Give two SVG paths at `size`: what is predicted but not labelled, and what is labelled but not predicted.

    `prediction` is 255 x the probability of person; where `valid` is False nothing counts.
    """
    counts = True if valid is None else _scaled(np.where(valid, np.uint8(255), np.uint8(0)), size=size) > HALF
    found, labelled = (_scaled(_cut(picture), size=size) > HALF for picture in (prediction, label))
    return tuple(  # type: ignore[return-value]
        outline_path(np.where(where & counts, np.uint8(255), np.uint8(0)), size=size)
        for where in (found & ~labelled, labelled & ~found)
    )


def prediction_path(prediction: Gray, *, size: tuple[int, int]) -> str:
    """Give the outline of the predicted person, where the probability is at least one half, as `outline_path` does."""
    return outline_path(_cut(prediction), size=size)


def alpha_tile(alpha: Alpha, *, size: tuple[int, int]) -> bytes:
    """Give an alpha scaled to `size` (height, width) as gray PNG."""
    return encode_gray(_scaled(alpha, size=size))


def trimap_tile(trimap: NDArray[np.uint8], *, size: tuple[int, int]) -> bytes:
    """Give a trimap scaled to `size` (height, width) as gray PNG; the unknown band is not scaled away."""
    small = _scaled(trimap, size=size)
    tile = np.where(small > HALF, np.uint8(255), np.uint8(0))
    unknown = _scaled(np.where((trimap > 0) & (trimap < 255), np.uint8(255), np.uint8(0)), size=size)
    tile[unknown > HALF // 2] = 128
    return encode_gray(tile)


def _cut(picture: Gray) -> Mask:
    return np.where(picture > HALF, np.uint8(255), np.uint8(0))


def _scaled(picture: NDArray[np.uint8], *, size: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = size
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _ring(points: NDArray[np.int32]) -> str:
    x, y = points[0].tolist()
    steps = np.diff(points, axis=0).ravel().tolist()
    return f"M{x} {y}l{' '.join(map(str, steps or (0, 0)))}z"
