"""The unknown pixels of a frame, numbered along the band that they form."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

RIM: Final = 2
"""Pixels around the frame, so that whatever a pixel's equation names has a place; none of them is unknown."""
SMALL: Final = 64
"""A part of so few pixels needs no order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """The unknown pixels of a frame (h, w) by number: `places` are theirs in the frame with its rim, laid flat.

    `numbers` is (h + 4) x (w + 4), laid flat; pixels that are known have the number after the last. `width` is that of
    the frame with its rim.
    """

    numbers: NDArray[np.int64]
    places: NDArray[np.int64]
    width: int

    @property
    def size(self) -> int:
        """Return how many pixels are unknown."""
        return len(self.places)

    @property
    def pixels(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return their rows and columns in the frame."""
        return self.places // self.width - RIM, self.places % self.width - RIM


def band_of(is_unknown: NDArray[np.bool_]) -> Band:
    """Number the unknown pixels of a frame (h, w) along the band.

    Pixels at most two apart, which share equations, then have numbers that are near each other: in steps of one pixel,
    a band of 15 pixels puts about 15 of them on each step. Ordered by the equations themselves (Cuthill and McKee), it
    goes forward two pixels at a time, from both sides of where it began, and pixels that meet are up to four times as
    far apart.

    >>> band_of(np.array([[False, True, True], [True, False, False]])).numbers.reshape(6, 7)[2:4, 2:5].tolist()
    [[3, 0, 1], [2, 3, 3]]
    """
    frame = np.pad(is_unknown, RIM)
    # grown by a pixel, parts that share equations touch, and pixels at most two apart are at most two steps apart
    near = np.asarray(cv2.dilate(frame.astype(np.uint8), np.ones((3, 3), np.uint8)), np.uint8)
    walked = _along(near)
    places = walked[frame.ravel()[walked]]
    numbers = np.full(frame.size, len(places))
    numbers[places] = np.arange(len(places))
    return Band(numbers=numbers, places=places, width=frame.shape[1])


def _along(near: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the flat places (n,) of the pixels of (h, w) that are not 0: each part from one end to the other."""
    from scipy.sparse.csgraph import breadth_first_order  # imported here, since most commands need none of it

    places = np.flatnonzero(near)
    part = np.asarray(cv2.connectedComponents(near, connectivity=8)[1]).ravel()[places]
    order = np.argsort(part, kind="stable")
    graph = _neighbours(places, shape=near.shape)
    for start, end in pairwise([0, *np.cumsum(np.bincount(part)[1:]).tolist()]):
        if end - start > SMALL:
            last = breadth_first_order(graph, order[start], return_predecessors=False)[-1]
            order[start:end] = breadth_first_order(graph, last, return_predecessors=False)
    return np.asarray(places[order], np.int64)


def _neighbours(places: NDArray[np.int64], *, shape: tuple[int, ...]) -> Any:
    """Return the graph of pixels at flat places (n,) as a sparse (n, n) matrix: 1 between 8-connected neighbours."""
    from scipy.sparse import csr_matrix

    numbers = np.full(shape[0] * shape[1], -1, np.int32)
    numbers[places] = np.arange(len(places), dtype=np.int32)
    steps = [y * shape[1] + x for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    around = numbers[places[:, None] + steps]
    is_there = around >= 0
    ends = np.concatenate([[0], np.cumsum(is_there.sum(axis=1))])
    known = around[is_there]
    return csr_matrix((np.ones(len(known)), known, ends), shape=(len(places), len(places)))
