"""Which images look alike: the distance of two fingerprints, and the one up to which they are near duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.duplicates.fingerprint import FREQUENCIES, Look
from curation.duplicates.look_index import LookIndex

CANDIDATE_DISTANCE: Final = 0.22
"""Between whole images: what is farther apart is not looked at twice."""
ALIKE_DISTANCE: Final = 0.05
"""Between an image and a crop of the other: two photographs of one scene lay 0.076 apart at the least."""
LOOKS_AT_ONCE: Final = 1024
PROBING_AT_ONCE: Final = 8192
"""So many images ask at once: each asks few cells, and a cell is looked at for many of them."""
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
SIGNS: Final = np.stack(list(TURNS.values()))
Alike: TypeAlias = tuple[int, int, float, Turn]


class NearSearch:
    """The search for pairs of (n, 16, 64) looks that lie within `ALIKE_DISTANCE`, in some turn of the second.

    A pair is (i, j, distance, turn) with i < j; `turn` is how the second is mirrored, the first of `TURNS` that fits.
    """

    def __init__(self, looks: NDArray[np.float16]) -> None:
        self._looks = looks
        self._index = _index_of(looks)

    def pairs(self, *, probes: int | None = None) -> Iterator[Alike]:
        """Yield all pairs, sorted; with `probes` those that an index finds which looks into so many cells.

        The time for all pairs grows with the square of n, but for a factor that falls with n, and not with the number
        of images that look somewhat alike; with `probes` it grows with its power of 1.5. Beside the looks, memory
        grows with n and with the number of pairs.
        """
        at_once = LOOKS_AT_ONCE if probes is None else PROBING_AT_ONCE
        keys = [
            self._keys(self._index, range(start, min(start + at_once, len(self._looks))), probes=probes)
            for start in range(0, len(self._looks), at_once)
        ]
        yield from self._alike(keys)

    def pairs_of(self, numbers: NDArray[np.int64]) -> Iterator[Alike]:
        """Yield all pairs that have one of these images, sorted."""
        some = _index_of(self._looks[numbers])
        keys = [
            self._keys(self._index, numbers[start : start + LOOKS_AT_ONCE])
            for start in range(0, len(numbers), LOOKS_AT_ONCE)
        ]
        keys += [
            self._keys(some, range(start, min(start + LOOKS_AT_ONCE, len(self._looks))), named=numbers)
            for start in range(0, len(self._looks), LOOKS_AT_ONCE)
        ]
        yield from self._alike(keys)

    def _keys(
        self,
        index: LookIndex,
        numbers: Sequence[int] | NDArray[np.int64],
        *,
        probes: int | None = None,
        named: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Return pairs that may be alike as one number each, which sorts as the pair, and then as its turn, does."""
        asking = np.asarray(numbers)
        hits = index.near(self._looks[asking], distance=ALIKE_DISTANCE, probes=probes)
        one, other = asking[hits.askers], hits.found if named is None else named[hits.found]
        first, second = np.minimum(one, other), np.maximum(one, other)
        keys = (first * len(self._looks) + second) * len(TURNS) + hits.turns
        different: NDArray[np.int64] = np.unique(keys[first != second])
        return different

    def _alike(self, keys: list[NDArray[np.int64]]) -> Iterator[Alike]:
        """Yield the pairs whose distance, measured, is small enough; of several turns the first."""
        sorted_keys = np.unique(np.concatenate([np.empty(0, np.int64), *keys]))
        last = -1
        for start in range(0, len(sorted_keys), PAIRS_AT_ONCE):
            pairs, turns = np.divmod(sorted_keys[start : start + PAIRS_AT_ONCE], len(TURNS))
            first, second = np.divmod(pairs, len(self._looks))
            one, other = self._looks[first], self._looks[second] * SIGNS[turns][:, None]
            is_candidate = np.einsum("ij,ij->i", one[:, 0].astype(np.float32), other[:, 0]) > 1 - CANDIDATE_DISTANCE
            distances = _distances(one, other)
            for index in np.flatnonzero(is_candidate & (distances <= ALIKE_DISTANCE)):
                if pairs[index] != last:
                    last = pairs[index]
                    turn = tuple(TURNS)[turns[index]]
                    yield int(first[index]), int(second[index]), float(distances[index]), turn


def _index_of(looks: NDArray[np.float16]) -> LookIndex:
    return LookIndex(np.ascontiguousarray(looks[:, 0]), turns=SIGNS)


def look_distance(first: Look, second: Look) -> float:
    """Return how far apart two looks (16, 64) float16 are, 0 (the same, or one a crop of the other) to 2."""
    return float(_distances(first[None], second[None].astype(np.float32))[0])


def _distances(first: NDArray[np.float16], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the distance, 0..2, of each of (n, 16, 64) looks from its counterpart."""
    one, other = first.astype(np.float32), second
    crops_of_one = (one @ other[:, 0, :, None])[..., 0].max(axis=1)
    crops_of_other = (other @ one[:, 0, :, None])[..., 0].max(axis=1)
    distances: NDArray[np.float32] = np.maximum(0, 1 - np.maximum(crops_of_one, crops_of_other))
    return distances
