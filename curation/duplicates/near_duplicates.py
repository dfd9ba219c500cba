"""Which images look alike: the distance of two fingerprints, and the one up to which they are near duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.duplicates.fingerprint import FREQUENCIES, Look

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


def alike_pairs(looks: NDArray[np.float16]) -> Iterator[tuple[int, int, float, Turn]]:
    """Yield (i, j, distance, turn) with i < j for all pairs of (n, 16, 64) looks that lie within `ALIKE_DISTANCE`.

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
    """Return how far apart two looks (16, 64) float16 are, 0 (the same, or one a crop of the other) to 2."""
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
    """Return the distance, 0..2, of each of (n, 16, 64) looks from its counterpart."""
    one, other = first.astype(np.float32), second
    crops_of_one = (one @ other[:, 0, :, None])[..., 0].max(axis=1)
    crops_of_other = (other @ one[:, 0, :, None])[..., 0].max(axis=1)
    distances: NDArray[np.float32] = np.maximum(0, 1 - np.maximum(crops_of_one, crops_of_other))
    return distances
