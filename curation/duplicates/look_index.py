"""An index of looks: whole images in cells of such as lie near one another, so that most are never compared.

Of two copies one lies near a crop of the other, however far the whole images are apart. So crops ask, and whole images,
turned in each way, are asked. A cell need not be asked where everything in it is too far away: what is in it lies
nearer to its own centre than to the centre that is nearest to who asks. This leaves no pair out. To ask only the cells
whose centres are nearest leaves out few, and takes a small part of the time.

Source: Sivic, Zisserman 2003, "Video Google" (inverted lists of cells); Gersho, Gray 1992, "Vector Quantization and
Signal Compression", section 12.16 (the bound by the plane between two centres).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

CELLS_PER_ROOT: Final = 4
"""Cells for each root of the number of images: then as long is spent on centres as on what is in cells."""
LEARNED_FROM: Final = 32
"""Vectors for each cell that its centre is learned from."""
ROUNDS: Final = 5
AT_ONCE: Final = 4096
"""Vectors that are compared with others at once: a product of some ten MB."""
SLACK: Final = 0.001
"""What rounding to float16 may take from a product, and more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hits:
    """Which of those who asked found which image, turned how: three arrays of one length; some may be there twice."""

    askers: Numbers
    found: Numbers
    turns: Numbers


class LookIndex:
    """Whole images (n, 64), vectors of length 1 or zero, each in every turn: `turns` (t, 64) are signs of vectors."""

    def __init__(self, whole: NDArray[np.float16], *, turns: Floats, cells: int | None = None) -> None:
        self._whole, self._turns = whole, turns
        wanted = int(CELLS_PER_ROOT * len(whole) ** 0.5) if cells is None else cells
        self._centres = self._learned(max(1, min(wanted, len(whole))))
        cell_of = np.empty(len(whole) * len(turns), np.int32)
        for start in range(0, len(cell_of), AT_ONCE):
            stop = min(start + AT_ONCE, len(cell_of))
            cell_of[start:stop] = (self._vectors(np.arange(start, stop)) @ self._centres.T).argmax(axis=1)
        self._sorted = np.argsort(cell_of, kind="stable").astype(np.int32)
        self._ends = np.cumsum(np.bincount(cell_of, minlength=len(self._centres)))
        apart = np.sqrt(np.maximum(2 - 2 * self._centres @ self._centres.T, 0))
        self._apart = np.maximum(apart, np.float32(SLACK))

    def near(self, looks: NDArray[np.float16], *, distance: float, probes: int | None = None) -> Hits:
        """Return which images lie within `distance` of a vector of some looks (m, k, 64), and a little more.

        `askers` are numbers of the looks. All that lie so are found, with `probes` those in so many cells.
        """
        asking = looks.reshape(-1, looks.shape[-1]).astype(np.float32)
        askers, cells = self._cells_asked(asking, reach=(2 * distance + 4 * SLACK) ** 0.5, probes=probes)
        starts = np.searchsorted(cells, np.arange(len(self._centres) + 1))
        found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        for cell in np.unique(cells):
            places = self._sorted[self._ends[cell - 1] if cell else 0 : self._ends[cell]]
            if not len(places):
                continue
            vectors = self._vectors(places).T
            for start in range(starts[cell], starts[cell + 1], AT_ONCE):
                own = askers[start : min(start + AT_ONCE, starts[cell + 1])]
                rows, columns = np.nonzero(asking[own] @ vectors > 1 - distance - SLACK)
                # at once, since of many frames of one film all vectors find all
                pairs = np.unique(own[rows] // looks.shape[1] * len(places) + columns)
                found.append((pairs // len(places), places[pairs % len(places)].astype(np.int64)))
        own, hit = (np.concatenate(arrays) for arrays in zip(*found))
        return Hits(askers=own, found=hit % len(self._whole), turns=hit // len(self._whole))

    def _cells_asked(self, asking: Floats, *, reach: float, probes: int | None) -> tuple[Numbers, Numbers]:
        """Return who asks which cell, by cell; vectors of zero ask none."""
        found: list[tuple[Numbers, Numbers]] = []
        for start in range(0, len(asking), AT_ONCE):
            products = asking[start : start + AT_ONCE] @ self._centres.T
            nearest = products.argmax(axis=1)
            margins = products[np.arange(len(products)), nearest][:, None] - products
            is_asked: NDArray[np.bool_] = margins <= reach * self._apart[nearest]
            is_asked &= np.linalg.norm(asking[start : start + AT_ONCE], axis=1, keepdims=True) > 0
            if probes is not None and probes < len(self._centres):
                least = np.partition(margins, probes - 1, axis=1)[:, probes - 1 : probes]
                is_asked &= margins <= least
            own, cells = np.nonzero(is_asked)
            found.append((own + start, cells))
        askers, cells = (np.concatenate(arrays) for arrays in zip(*found))
        order = np.argsort(cells, kind="stable")
        return askers[order], cells[order]

    def _vectors(self, places: NDArray[np.signedinteger[Any]]) -> Floats:
        """Return turned images; a place is the number of the turn times n, and the number of the image."""
        turns, numbers = np.divmod(places, len(self._whole))
        vectors: Floats = self._whole[numbers].astype(np.float32) * self._turns[turns]
        return vectors

    def _learned(self, cells: int) -> Floats:
        """Return the centres of cells, of length 1, by some rounds of k-means with products for distances."""
        rng = np.random.default_rng(0)
        number = len(self._whole) * len(self._turns)
        sample = self._vectors(np.sort(rng.choice(number, min(number, cells * LEARNED_FROM), replace=False)))
        if not number:
            return np.zeros((1, self._whole.shape[1]), np.float32)
        centres: Floats = sample[np.sort(rng.choice(len(sample), cells, replace=False))]
        for _ in range(ROUNDS):
            own = np.concatenate(
                [(sample[at : at + AT_ONCE] @ centres.T).argmax(axis=1) for at in range(0, len(sample), AT_ONCE)]
            )
            sums = np.zeros_like(centres)
            np.add.at(sums, own, sample)
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            centres = np.where(lengths > SLACK, sums / np.maximum(lengths, SLACK), centres)
        return centres
