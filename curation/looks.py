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

from collections.abc import Iterator
from itertools import product
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.pixels import Image

Look: TypeAlias = NDArray[np.float16]
"""(16, 64): the vector of the whole image, then those of its crops."""

THUMBNAIL_PX: Final = 64
FREQUENCIES: Final = 8
CROP: Final = 0.05
CANDIDATE_DISTANCE: Final = 0.22
"""Between whole images: what is farther apart is not looked at twice."""
ALIKE_DISTANCE: Final = 0.05
"""Between an image and a crop of the other: two photographs of one scene lay 0.076 apart at the least."""
TILE: Final = 2048
"""Images by images that are compared at once: a product of 16 MB, which stays near the processor."""
PAIRS_AT_ONCE: Final = 4096
Turn: TypeAlias = Literal["", "mirrored", "upside down", "half turn"]
_ROWS, _COLUMNS = np.divmod(np.arange(FREQUENCIES**2), FREQUENCIES)
TURNS: Final[dict[Turn, NDArray[np.float32]]] = {
    "": np.ones(FREQUENCIES**2, np.float32),
    "mirrored": (1 - 2 * (_COLUMNS % 2)).astype(np.float32),
    "upside down": (1 - 2 * (_ROWS % 2)).astype(np.float32),
    "half turn": (1 - 2 * ((_ROWS + _COLUMNS) % 2)).astype(np.float32),
}
"""The signs of the frequencies of an image that is turned so: cosines of odd frequencies change theirs.

Of 264,000 pairs of 727 real images (portraits, COCO, faces) none lies within `ALIKE_DISTANCE` when one is turned; the
nearest lie 0.067 apart."""


def look_of(image: Image) -> Look:
    """Give the look of an image (h, w, 3); that of a picture of one colour is zero, which resembles nothing."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    thumbnail = cv2.resize(gray, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    cuts = product((0.0, CROP), repeat=4)
    return np.stack([_vector(_cropped(thumbnail, cut)) for cut in cuts]).astype(np.float16)


def alike_pairs(looks: NDArray[np.float16]) -> Iterator[tuple[int, int, float, Turn]]:
    """Give (i, j, distance, turn) with i < j for all pairs of (n, 16, 64) looks that lie within `ALIKE_DISTANCE`.

    `turn` is how the second is mirrored, the first of `TURNS` that fits. Time grows with the square of n, since whole
    images are compared by products of matrices: seconds for 34,000 images. Beside the looks, memory does not depend on
    n.
    """
    whole = np.ascontiguousarray(looks[:, 0]).astype(np.float32)
    for top in range(0, len(whole), TILE):
        for left in range(top, len(whole), TILE):
            here, there = whole[top : top + TILE], whole[left : left + TILE]
            taken = np.zeros((len(here), len(there)), np.bool_)
            for turn, signs in TURNS.items():
                rows, columns = np.nonzero((here @ (there * signs).T > 1 - CANDIDATE_DISTANCE) & ~taken)
                is_above = rows + top < columns + left
                first, second = rows[is_above] + top, columns[is_above] + left
                for one, other, distance in _within_reach(looks, first=first, second=second, signs=signs):
                    taken[one - top, other - left] = True
                    yield one, other, distance, turn


def look_distance(first: Look, second: Look) -> float:
    """Give how far apart two looks are, 0 (the same, or one a crop of the other) to 2."""
    return float(_distances(first[None], second[None].astype(np.float32))[0])


def _within_reach(
    looks: NDArray[np.float16], *, first: NDArray[np.intp], second: NDArray[np.intp], signs: NDArray[np.float32]
) -> Iterator[tuple[int, int, float]]:
    for start in range(0, len(first), PAIRS_AT_ONCE):
        one, other = first[start : start + PAIRS_AT_ONCE], second[start : start + PAIRS_AT_ONCE]
        distances = _distances(looks[one], looks[other] * signs)
        for index in np.flatnonzero(distances <= ALIKE_DISTANCE):
            yield int(one[index]), int(other[index]), float(distances[index])


def _distances(first: NDArray[np.float16], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the distance of each of (n, 16, 64) looks from its counterpart."""
    one, other = first.astype(np.float32), second
    crops_of_one = (one @ other[:, 0, :, None])[..., 0].max(axis=1)
    crops_of_other = (other @ one[:, 0, :, None])[..., 0].max(axis=1)
    distances: NDArray[np.float32] = np.maximum(0, 1 - np.maximum(crops_of_one, crops_of_other))
    return distances


def _cropped(thumbnail: NDArray[np.float32], cut: tuple[float, ...]) -> NDArray[np.float32]:
    """Cut these shares from top, bottom, left and right, and bring what is left back to the same size."""
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
