"""How an image looks, in a few numbers that survive re-encoding, resizing, small crops and changes of brightness.

An image becomes the coarsest frequencies of its 64 x 64 grey thumbnail, as a vector of length 1: length takes contrast
out, and leaving out the mean takes brightness out. What a crop changes most is where things lie, so the same vector is
also kept of the image with 5 % cut from each choice of its sides: of two images, the one that was cropped resembles
one of the other's crops. Mirrored, an image has the same vector but for the signs of odd frequencies, so that mirror
images are found without looking again.

Source: the perceptual hash (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions"),
without its rounding of each frequency to one bit.
"""

from __future__ import annotations

from itertools import product
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image

Look: TypeAlias = NDArray[np.float16]
"""(16, 64): the vector of the whole image, then those of its crops."""

THUMBNAIL_PX: Final = 64
FREQUENCIES: Final = 8
"""Of each axis of the cosine transform, the lowest: 64 numbers, as many as the bits of the source's hash."""
CROP: Final = 0.05
"""Share cut from a side; crops up to this size are found."""


def look_of(image: Image) -> Look:
    """Return the look of an image (h, w, 3); that of a picture of one colour is zero, which resembles nothing."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    thumbnail = cv2.resize(gray, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    cuts = product((0.0, CROP), repeat=4)
    return np.stack([_vector(_cropped(thumbnail, cut)) for cut in cuts]).astype(np.float16)


def _cropped(thumbnail: NDArray[np.float32], cut: tuple[float, ...]) -> NDArray[np.float32]:
    """Return a grey thumbnail (64, 64), 0..255, cut by these shares at top, bottom, left and right, as (64, 64)."""
    top, bottom, left, right = cut
    if not any(cut):
        return thumbnail
    scale_x, scale_y = 1 - left - right, 1 - top - bottom
    # pixel centres lie at half coordinates
    shift_x, shift_y = left * THUMBNAIL_PX + (scale_x - 1) / 2, top * THUMBNAIL_PX + (scale_y - 1) / 2
    matrix = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    warped = cv2.warpAffine(thumbnail, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.float32)


def _vector(thumbnail: NDArray[np.float32]) -> NDArray[np.float32]:
    frequencies = np.array(cv2.dct(thumbnail)[:FREQUENCIES, :FREQUENCIES].ravel(), dtype=np.float32)
    frequencies[0] = 0
    length = float(np.linalg.norm(frequencies))
    is_flat = length < THUMBNAIL_PX  # a standard deviation of about one grey level
    return np.zeros_like(frequencies) if is_flat else frequencies / np.float32(length)
